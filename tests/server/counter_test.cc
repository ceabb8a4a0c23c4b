// Increment, Append and SetExpiry of kvstore.v1 through the generated stubs.
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/server/key_value_fixture.h"

using namespace kv;
using grpc::StatusCode;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

v1::IncrementRequest to_increment(const std::string& key, std::int64_t delta) {
  v1::IncrementRequest request;
  request.set_key(key);
  request.set_delta(delta);
  return request;
}

v1::SetExpiryRequest to_expiry(const std::string& key) {
  v1::SetExpiryRequest request;
  request.set_key(key);
  return request;
}

// A structure, as later versions write them.
void put_hash(Store& store, const std::string& key) {
  WriteLock shard = store.write(HashedKey(key));
  shard.publish(shard.prepare_put(HashedKey(key), HashedValue("inside"), ValueType::kHash, kNoExpiry), 1);
}

}  // namespace

TEST_CASE("v1: Increment counts in decimal text, from the initial value where there is none") {
  KeyValueFixture f;
  REQUIRE(f.set("n", "42").ok());
  const auto counted = f.increment("n", 1);
  REQUIRE(counted.ok());
  CHECK(counted.response.value() == 43);
  CHECK_FALSE(counted.response.created());
  CHECK(counted.response.write().revision() == 2);
  CHECK(f.value("n") == "43");
  CHECK(f.increment("n", -50).response.value() == -7);
  CHECK(f.value("n") == "-7");
  CHECK(f.increment("n", 7).response.value() == 0);
  CHECK(f.value("n") == "0");
  v1::IncrementRequest request = to_increment("new", 5);
  request.set_initial(100);
  const auto created = f.increment(request);
  CHECK(created.response.created());
  CHECK(created.response.value() == 105);
  CHECK(f.increment(request).response.value() == 110);
}

TEST_CASE("v1: what is not exactly a decimal number of 64 bits is not counted") {
  KeyValueFixture f;
  for (const char* text : {"", "-", "+1", "01", "-0", "00", " 1", "1 ", "1.0", "0x1", "one", "9223372036854775808",
                           "-9223372036854775809", "1e3"}) {
    REQUIRE(f.set("n", text).ok());
    check_refused(f.increment("n", 1).status, StatusCode::FAILED_PRECONDITION, "NOT_AN_INTEGER");
    CHECK(f.value("n") == text);
  }
  for (const char* text : {"9223372036854775806", "-9223372036854775808", "0", "-1"}) {
    REQUIRE(f.set("n", text).ok());
    CHECK(f.increment("n", 1).ok());
  }
}

TEST_CASE("v1: a counter stays in its range: beyond it the call is refused, or clamped when asked to") {
  KeyValueFixture f;
  const auto overflows = [&](const v1::IncrementRequest& request) {
    const Revision before = f.journal.applied();
    check_refused(f.increment(request).status, StatusCode::OUT_OF_RANGE, "INCREMENT_OVERFLOW");
    CHECK(f.journal.applied() == before);
  };
  REQUIRE(f.set("n", std::to_string(kHighest)).ok());
  v1::IncrementRequest request = to_increment("n", 1);
  overflows(request);
  request.set_saturate(true);
  CHECK(f.increment(request).response.value() == kHighest);
  REQUIRE(f.set("n", std::to_string(kLowest)).ok());
  overflows(to_increment("n", -1));
  overflows(to_increment("n", kLowest));

  REQUIRE(f.set("n", "5").ok());
  request = to_increment("n", 3);
  request.set_max(7);
  request.set_min(-7);
  overflows(request);
  request.set_saturate(true);
  CHECK(f.increment(request).response.value() == 7);
  request.set_delta(-100);
  CHECK(f.increment(request).response.value() == -7);
  request.set_saturate(false);
  request.set_delta(14);
  CHECK(f.increment(request).response.value() == 7);
  request.set_min(8);
  check_field(f.increment(request).status, "min");
}

TEST_CASE("v1: the bounds hold for a counter that is made, too, and zero is a bound like any other") {
  KeyValueFixture f;
  v1::IncrementRequest request = to_increment("n", 1);
  request.set_max(0);
  check_refused(f.increment(request).status, StatusCode::OUT_OF_RANGE, "INCREMENT_OVERFLOW");
  CHECK_FALSE(f.value("n"));
  request.set_delta(-1);
  CHECK(f.increment(request).response.value() == -1);
}

TEST_CASE("v1: an Increment keeps the expiry unless it is given one") {
  KeyValueFixture f;
  v1::IncrementRequest request = to_increment("n", 1);
  request.mutable_expiry()->mutable_ttl()->set_seconds(1);
  REQUIRE(f.increment(request).ok());
  REQUIRE(f.increment("n", 1).ok());
  const UnixMillis due = f.clock.now() + 1000;
  CHECK(f.get("n").response.entry().expire_time().seconds() == due / 1000);
  f.clock.advance(1001ms);
  const auto anew = f.increment("n", 1);
  CHECK(anew.response.created());
  CHECK(anew.response.value() == 1);
  CHECK_FALSE(f.get("n").response.entry().has_expire_time());
  request.mutable_expiry()->mutable_at()->set_seconds(1);
  CHECK(f.increment(request).response.value() == 2);
  CHECK_FALSE(f.value("n"));
}

TEST_CASE("v1: increments of one key from many threads are all counted") {
  KeyValueFixture f(FsyncPolicy::kNever);
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) failed += f.increment("n", 1).ok() ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(f.value("n") == "800");
}

TEST_CASE("v1: Append makes the value longer, makes it where there is none, and keeps the expiry") {
  KeyValueFixture f;
  const auto first = f.append("k", "one");
  REQUIRE(first.ok());
  CHECK(first.response.length() == 3);
  CHECK(first.response.write().revision() == 1);
  CHECK(f.append("k", std::string("\0two", 4)).response.length() == 7);
  CHECK(f.value("k") == std::string("one\0two", 7));
  CHECK(f.append("k", "").response.length() == 7);
  v1::SetExpiryRequest expiry = to_expiry("k");
  expiry.mutable_expiry()->mutable_ttl()->set_seconds(1);
  REQUIRE(f.set_expiry(expiry).response.applied());
  REQUIRE(f.append("k", "x").ok());
  CHECK(f.get("k").response.entry().has_expire_time());
  f.clock.advance(1001ms);
  CHECK(f.append("k", "new").response.length() == 3);
}

TEST_CASE("v1: an Append beyond the limit of an entry changes nothing") {
  Limits limits;
  limits.entry_bytes_max = 10;
  KeyValueFixture f({}, posix_file_system(), limits);
  REQUIRE(f.append("k", "123456").ok());
  check_refused(f.append("k", "7890").status, StatusCode::INVALID_ARGUMENT, "ENTRY_TOO_LARGE");
  check_refused(f.append("k", "7890123456").status, StatusCode::INVALID_ARGUMENT, "ENTRY_TOO_LARGE");
  CHECK(f.append("k", "789").response.length() == 9);
  check_refused(f.append("", "v").status, StatusCode::INVALID_ARGUMENT, "EMPTY_KEY");
}

TEST_CASE("v1: an Append to a large value is admitted for what it logs") {
  KeyValueFixture f(FsyncPolicy::kNever);
  const std::string large(3 << 20, 'v');
  REQUIRE(f.set("k", large).ok());
  CHECK(f.append("k", "end").response.length() == large.size() + 3);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {  // Each makes the value longer than the others were admitted for.
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) (void)f.append("many", std::string(10'000, 'x'));
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(f.value("many")->size() == 200'000);
}

TEST_CASE("v1: SetExpiry moves the time of a key that is there, as a change of its own") {
  KeyValueFixture f;
  REQUIRE(f.set("k", "v").ok());
  v1::SetExpiryRequest request = to_expiry("k");
  request.mutable_expiry()->mutable_ttl()->set_seconds(5);
  const auto set = f.set_expiry(request);
  REQUIRE(set.ok());
  CHECK(set.response.applied());
  CHECK(set.response.write().revision() == 2);
  CHECK(set.response.entry().version() == 2);
  CHECK(set.response.entry().create_version() == 1);
  CHECK(set.response.entry().value().empty());
  CHECK(set.response.entry().expire_time().seconds() == f.clock.now() / 1000 + 5);
  CHECK(f.get("k").response.entry().version() == 2);
  request.mutable_expiry()->set_never(true);
  CHECK_FALSE(f.set_expiry(request).response.entry().has_expire_time());
  f.clock.advance(1h);
  CHECK(f.value("k") == "v");
  request.mutable_expiry()->mutable_at()->set_seconds(1);
  const auto removed = f.set_expiry(request);
  CHECK(removed.response.applied());
  CHECK_FALSE(removed.response.has_entry());
  CHECK(removed.response.write().revision() == 4);
  CHECK_FALSE(f.value("k"));
}

TEST_CASE("v1: SetExpiry changes nothing of a missing key, or where its precondition does not hold") {
  KeyValueFixture f;
  v1::SetExpiryRequest request = to_expiry("k");
  request.mutable_expiry()->mutable_ttl()->set_seconds(5);
  const auto missing = f.set_expiry(request);
  REQUIRE(missing.ok());
  CHECK_FALSE(missing.response.applied());
  CHECK_FALSE(missing.response.has_entry());
  REQUIRE(f.set("k", "v").ok());
  request.mutable_precondition()->set_version_equals(9);
  const auto kept = f.set_expiry(request);
  CHECK_FALSE(kept.response.applied());
  CHECK(kept.response.entry().version() == 1);
  CHECK(kept.response.write().revision() == 0);
  request.mutable_precondition()->set_version_equals(1);
  CHECK(f.set_expiry(request).response.applied());
}

TEST_CASE("v1: SetExpiry must say what it sets") {
  KeyValueFixture f;
  REQUIRE(f.set("k", "v").ok());
  check_field(f.set_expiry(to_expiry("k")).status, "expiry");
  v1::SetExpiryRequest request = to_expiry("k");
  request.mutable_expiry()->set_keep(true);
  check_field(f.set_expiry(request).status, "expiry.keep");
}

TEST_CASE("v1: structures are neither counted nor appended to, but may get an expiry") {
  KeyValueFixture f;
  put_hash(f.store, "h");
  check_refused(f.increment("h", 1).status, StatusCode::FAILED_PRECONDITION, "WRONG_TYPE");
  check_refused(f.append("h", "x").status, StatusCode::FAILED_PRECONDITION, "WRONG_TYPE");
  v1::SetExpiryRequest request = to_expiry("h");
  request.mutable_expiry()->mutable_ttl()->set_seconds(5);
  CHECK(f.set_expiry(request).response.entry().type() == v1::VALUE_TYPE_HASH);
}

TEST_CASE("v1: an expiry that a write sets wakes whoever removes what is due") {
  struct Heard final : ExpiryListener {
    void note(UnixMillis expire_at) noexcept override {
      const std::lock_guard lock(mutex);
      at.push_back(expire_at);
    }
    std::mutex mutex;
    std::vector<UnixMillis> at;
  };
  Heard heard;
  KeyValueFixture f;
  f.engine.tell_expiries_to(&heard);
  v1::SetRequest set = f.to_set("k", "v");
  set.mutable_expiry()->mutable_ttl()->set_seconds(5);
  REQUIRE(f.set(set).ok());
  REQUIRE(f.set("other", "v").ok());
  v1::SetExpiryRequest request = to_expiry("k");
  request.mutable_expiry()->mutable_ttl()->set_seconds(3);
  REQUIRE(f.set_expiry(request).ok());
  const std::lock_guard lock(heard.mutex);
  CHECK(heard.at == std::vector<UnixMillis>{f.clock.now() + 5001, f.clock.now() + 3001});
}
