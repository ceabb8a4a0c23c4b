// Get, Set and Delete of kvstore.v1 through the generated stubs.
#include <catch2/catch.hpp>

#include "server/limits.h"
#include "tests/server/key_value_fixture.h"

using namespace kv;
using grpc::StatusCode;
using namespace std::chrono_literals;

namespace {

v1::SetRequest set_if_version(const std::string& key, const std::string& value, std::uint64_t version) {
  v1::SetRequest request = KeyValueFixture::to_set(key, value);
  request.mutable_precondition()->set_version_equals(version);
  return request;
}

}  // namespace

TEST_CASE("v1: a value comes back exactly, with versions, type and size; a miss is no error") {
  KeyValueFixture f;
  const std::string odd("\0\n\xff", 3);
  const auto first = f.set(odd, odd + "one");
  REQUIRE(first.ok());
  CHECK(first.response.applied());
  CHECK(first.response.write().revision() == 1);
  CHECK(first.response.write().durability() == v1::DURABILITY_MEMORY);
  CHECK_FALSE(first.response.has_previous());
  REQUIRE(f.set(odd, odd + "two").ok());
  const auto got = f.get(odd);
  REQUIRE(got.ok());
  const v1::Entry& entry = got.response.entry();
  CHECK(entry.key().empty());
  CHECK(entry.value() == odd + "two");
  CHECK(entry.type() == v1::VALUE_TYPE_STRING);
  CHECK(entry.version() == 2);
  CHECK(entry.create_version() == 1);
  CHECK_FALSE(entry.has_expire_time());
  CHECK(entry.size_bytes() > 2 * odd.size());
  CHECK(got.response.revision() == 2);
  const auto miss = f.get("none");
  REQUIRE(miss.ok());
  CHECK_FALSE(miss.response.has_entry());
  CHECK(miss.response.revision() == 2);
}

TEST_CASE("v1: an empty value is not a missing key") {
  KeyValueFixture f;
  REQUIRE(f.set("k", "").ok());
  CHECK(f.value("k") == "");
  CHECK(f.get("k").response.has_entry());
  CHECK_FALSE(f.value("other"));
}

TEST_CASE("v1: Get leaves the value out when asked to, and when the caller has it") {
  KeyValueFixture f;
  REQUIRE(f.set("k", "v").ok());
  v1::GetRequest request;
  request.set_key("k");
  request.set_omit_value(true);
  auto got = f.get(request);
  CHECK(got.response.entry().value().empty());
  CHECK(got.response.entry().version() == 1);
  CHECK_FALSE(got.response.not_modified());
  request.set_omit_value(false);
  request.set_if_newer_than(1);
  got = f.get(request);
  CHECK(got.response.not_modified());
  CHECK(got.response.entry().value().empty());
  REQUIRE(f.set("k", "w").ok());
  got = f.get(request);
  CHECK_FALSE(got.response.not_modified());
  CHECK(got.response.entry().value() == "w");
}

TEST_CASE("v1: a Get that asks for a revision which no write was given is refused") {
  KeyValueFixture f;
  REQUIRE(f.set("k", "v").ok());
  v1::GetRequest request;
  request.set_key("k");
  request.set_min_revision(1);
  CHECK(f.get(request).ok());
  request.set_min_revision(2);
  check_refused(f.get(request).status, StatusCode::OUT_OF_RANGE, "REVISION_IN_FUTURE");
}

TEST_CASE("v1: Set under a precondition applies only where it holds, and else shows the present entry") {
  KeyValueFixture f;
  REQUIRE(f.set("k", "one").ok());
  v1::SetRequest request = f.to_set("k", "two");
  const auto applied = [&] {
    const auto reply = f.set(request);
    REQUIRE(reply.ok());
    if (reply.response.applied()) {
      CHECK(reply.response.write().revision() > 1);
      CHECK_FALSE(reply.response.has_previous());
      CHECK(f.value("k") == "two");
      REQUIRE(f.set("k", "one").ok());
    } else {
      CHECK(reply.response.write().revision() == 0);
      CHECK(reply.response.previous().value() == "one");
      CHECK(f.value("k") == "one");
    }
    return reply.response.applied();
  };
  v1::Precondition& test = *request.mutable_precondition();
  test.set_exists(true);
  CHECK(applied());
  test.set_exists(false);
  CHECK_FALSE(applied());
  test.set_version_equals(0);
  CHECK_FALSE(applied());
  test.set_version_equals(f.get("k").response.entry().version());
  CHECK(applied());
  test.set_version_equals(1);
  CHECK_FALSE(applied());
  test.set_value_equals("one");
  CHECK(applied());
  test.set_value_equals("on");
  CHECK_FALSE(applied());
  test.set_type_equals(v1::VALUE_TYPE_STRING);
  CHECK(applied());
  test.set_type_equals(v1::VALUE_TYPE_HASH);
  CHECK_FALSE(applied());
}

TEST_CASE("v1: a missing key passes only the tests that ask for its absence") {
  KeyValueFixture f;
  v1::SetRequest request = f.to_set("k", "v");
  v1::Precondition& test = *request.mutable_precondition();
  const auto refused = [&] {
    const auto reply = f.set(request);
    REQUIRE(reply.ok());
    CHECK_FALSE(reply.response.has_previous());
    CHECK_FALSE(f.value("k"));
    return !reply.response.applied();
  };
  test.set_exists(true);
  CHECK(refused());
  test.set_version_equals(7);
  CHECK(refused());
  test.set_value_equals("");
  CHECK(refused());
  test.set_type_equals(v1::VALUE_TYPE_STRING);
  CHECK(refused());
  CHECK(f.journal.applied() == 0);
  test.set_version_equals(0);
  CHECK(f.set(request).response.applied());
  CHECK(f.set(request).response.previous().version() == 1);
}

TEST_CASE("v1: of two that compare and set the same version exactly one wins") {
  KeyValueFixture f;
  REQUIRE(f.set("k", "v").ok());
  CHECK(f.set(set_if_version("k", "a", 1)).response.applied());
  const auto late = f.set(set_if_version("k", "b", 1));
  CHECK_FALSE(late.response.applied());
  CHECK(late.response.previous().value() == "a");
  CHECK(late.response.previous().version() == 2);
}

TEST_CASE("v1: the previous entry comes on request") {
  KeyValueFixture f;
  REQUIRE(f.set("k", "one").ok());
  v1::SetRequest request = f.to_set("k", "two");
  request.set_return_previous(true);
  const auto reply = f.set(request);
  CHECK(reply.response.applied());
  CHECK(reply.response.previous().value() == "one");
  CHECK(reply.response.previous().version() == 1);
  v1::DeleteRequest remove;
  remove.set_key("k");
  remove.set_return_previous(true);
  CHECK(f.remove(remove).response.previous().value() == "two");
  CHECK_FALSE(f.remove(remove).response.has_previous());
  CHECK_FALSE(f.set(request).response.has_previous());
}

TEST_CASE("v1: Delete tells apart gone, never there, and kept by a precondition") {
  KeyValueFixture f;
  REQUIRE(f.set("k", "v").ok());
  v1::DeleteRequest request;
  request.set_key("k");
  request.mutable_precondition()->set_version_equals(9);
  const auto kept = f.remove(request);
  REQUIRE(kept.ok());
  CHECK_FALSE(kept.response.deleted());
  CHECK(kept.response.previous().value() == "v");
  CHECK(kept.response.write().revision() == 0);
  request.mutable_precondition()->set_version_equals(1);
  const auto gone = f.remove(request);
  CHECK(gone.response.deleted());
  CHECK(gone.response.write().revision() == 2);
  CHECK_FALSE(gone.response.has_previous());
  const auto missing = f.remove("k");
  CHECK_FALSE(missing.response.deleted());
  CHECK_FALSE(missing.response.has_previous());
  CHECK(f.journal.applied() == 2);
}

TEST_CASE("v1: a Set has the expiry that it names, and none when it names none") {
  KeyValueFixture f;
  v1::SetRequest request = f.to_set("k", "v");
  v1::Expiry& expiry = *request.mutable_expiry();
  const auto expire_time = [&] { return f.get("k").response.entry().expire_time(); };
  const auto at = [&](UnixMillis millis) {
    const auto time = expire_time();
    return time.seconds() == millis / 1000 && time.nanos() == millis % 1000 * 1'000'000;
  };
  expiry.mutable_ttl()->set_nanos(1'000'001);  // rounded up: never early
  REQUIRE(f.set(request).ok());
  CHECK(at(f.clock.now() + 2));
  expiry.mutable_at()->set_seconds(f.clock.now() / 1000 + 100);
  expiry.mutable_at()->set_nanos(5'000'000);
  REQUIRE(f.set(request).ok());
  CHECK(at((f.clock.now() / 1000 + 100) * 1000 + 5));
  expiry.set_keep(true);
  REQUIRE(f.set(request).ok());
  CHECK(at((f.clock.now() / 1000 + 100) * 1000 + 5));
  expiry.set_never(true);
  REQUIRE(f.set(request).ok());
  CHECK_FALSE(f.get("k").response.entry().has_expire_time());
  expiry.mutable_ttl()->set_seconds(1);
  REQUIRE(f.set(request).ok());
  REQUIRE(f.set("k", "w").ok());
  CHECK_FALSE(f.get("k").response.entry().has_expire_time());
}

TEST_CASE("v1: a key is there to its last millisecond and not after it") {
  KeyValueFixture f;
  v1::SetRequest request = f.to_set("k", "v");
  request.mutable_expiry()->mutable_ttl()->set_nanos(10'000'000);
  REQUIRE(f.set(request).ok());
  f.clock.advance(9ms);
  CHECK(f.value("k") == "v");
  f.clock.advance(1ms);
  CHECK_FALSE(f.value("k"));
  request.mutable_precondition()->set_exists(false);
  CHECK(f.set(request).response.applied());
}

TEST_CASE("v1: a Set that has expired already removes the key, and has a revision") {
  KeyValueFixture f(FsyncPolicy::kAlways);
  REQUIRE(f.set("k", "v").ok());
  v1::SetRequest request = f.to_set("k", "w");
  request.mutable_expiry()->mutable_at()->set_seconds(1);
  for (int i = 0; i < 2; ++i) {  // The second time nothing is there.
    const auto reply = f.set(request);
    REQUIRE(reply.ok());
    CHECK(reply.response.applied());
    CHECK(reply.response.write().revision() == static_cast<std::uint64_t>(2 + i));
    CHECK_FALSE(f.value("k"));
  }
  CHECK(f.store.totals().keys == 0);
}

TEST_CASE("v1: keys and entries out of their bounds are refused") {
  Limits limits;
  limits.key_bytes_max = 8;
  limits.entry_bytes_max = 20;
  KeyValueFixture f({}, posix_file_system(), limits);
  check_refused(f.get("").status, StatusCode::INVALID_ARGUMENT, "EMPTY_KEY");
  check_refused(f.set("", "v").status, StatusCode::INVALID_ARGUMENT, "EMPTY_KEY");
  check_refused(f.remove("").status, StatusCode::INVALID_ARGUMENT, "EMPTY_KEY");
  check_refused(f.get("123456789").status, StatusCode::INVALID_ARGUMENT, "KEY_TOO_LARGE");
  check_refused(f.remove("123456789").status, StatusCode::INVALID_ARGUMENT, "KEY_TOO_LARGE");
  check_refused(f.set("12345678", "1234567890123").status, StatusCode::INVALID_ARGUMENT, "ENTRY_TOO_LARGE");
  CHECK(f.set("12345678", "123456789012").ok());
}

TEST_CASE("v1: the largest entry can be stored and read with a client's default settings") {
  KeyValueFixture f;
  const Limits limits;
  const std::string key(limits.key_bytes_max, 'k');
  const std::string value(limits.entry_bytes_max - key.size(), 'v');
  REQUIRE(f.set(key, value).ok());
  CHECK(f.value(key) == value);
  const std::string all_value(limits.entry_bytes_max - 1, 'v');
  REQUIRE(f.set("k", all_value).ok());
  v1::SetRequest again = f.to_set("k", all_value);
  again.set_return_previous(true);
  CHECK(f.set(again).response.previous().value() == all_value);
}

TEST_CASE("v1: bytes that are not the message are refused as such") {
  KeyValueFixture f;
  for (const char* method : {"Get", "Set", "Delete"}) {
    check_refused(f.raw(method, "\x0a\x05k").status, StatusCode::INVALID_ARGUMENT, "MESSAGE_INVALID");
  }
}

TEST_CASE("v1: what this server does not know is refused, naming its place") {
  KeyValueFixture f;
  const std::string key("\x0a\x01k", 3);
  check_field(f.raw("Get", key + "\x98\x06\x01").status, "99");
  check_field(f.raw("Set", key + std::string("\x32\x03\x98\x06\x01", 5)).status, "options.99");
  check_field(f.raw("Set", key + std::string("\x22\x05\x0a\x03\x98\x06\x01", 7)).status, "expiry.ttl.99");
  check_field(f.raw("Delete", key + std::string("\x12\x03\x98\x06\x01", 5)).status, "precondition.99");
  v1::SetRequest request = f.to_set("k", "v");
  request.mutable_options()->set_durability(static_cast<v1::Durability>(9));
  check_field(f.set(request).status, "options.durability");
  request = f.to_set("k", "v");
  request.mutable_precondition()->set_type_equals(static_cast<v1::ValueType>(9));
  check_field(f.set(request).status, "precondition.type_equals");
  request.mutable_precondition()->set_type_equals(v1::VALUE_TYPE_UNSPECIFIED);
  check_field(f.set(request).status, "precondition.type_equals");
  request = f.to_set("k", "v");
  request.mutable_options()->set_request_id("0123456789abcde");
  check_field(f.set(request).status, "options.request_id");
  CHECK(f.journal.applied() == 0);
}

TEST_CASE("v1: expiries and preconditions that say nothing, or nonsense, are refused") {
  KeyValueFixture f;
  v1::SetRequest request = f.to_set("k", "v");
  request.mutable_precondition();
  check_field(f.set(request).status, "precondition");
  request.clear_precondition();
  v1::Expiry& expiry = *request.mutable_expiry();
  check_field(f.set(request).status, "expiry");
  expiry.set_never(false);
  check_field(f.set(request).status, "expiry.never");
  expiry.set_keep(false);
  check_field(f.set(request).status, "expiry.keep");
  const auto ttl = [&](std::int64_t seconds, std::int32_t nanos) {
    expiry.mutable_ttl()->set_seconds(seconds);
    expiry.mutable_ttl()->set_nanos(nanos);
    return f.set(request).status;
  };
  check_field(ttl(0, 0), "expiry.ttl");
  check_field(ttl(-1, 0), "expiry.ttl");
  check_field(ttl(0, -1), "expiry.ttl");
  check_field(ttl(1, -1), "expiry.ttl");
  check_field(ttl(1, 1'000'000'000), "expiry.ttl");
  check_field(ttl(std::int64_t{1} << 60, 0), "expiry.ttl");
  CHECK(ttl(5000 * std::int64_t{31'556'952}, 0).ok());
  const auto at = [&](std::int64_t seconds, std::int32_t nanos) {
    expiry.mutable_at()->set_seconds(seconds);
    expiry.mutable_at()->set_nanos(nanos);
    return f.set(request).status;
  };
  check_field(at(253'402'300'800, 0), "expiry.at");
  check_field(at(0, -1), "expiry.at");
  check_field(at(0, 1'000'000'000), "expiry.at");
  CHECK(at(253'402'300'799, 999'000'000).ok());
}

TEST_CASE("v1: without a log a level above MEMORY is refused, and a quorum always is") {
  KeyValueFixture f;
  v1::SetRequest request = f.to_set("k", "v");
  for (const auto level : {v1::DURABILITY_OS, v1::DURABILITY_DISK, v1::DURABILITY_QUORUM}) {
    request.mutable_options()->set_durability(level);
    check_refused(f.set(request).status, StatusCode::FAILED_PRECONDITION, "DURABILITY_UNAVAILABLE");
  }
  CHECK(f.journal.applied() == 0);
  request.mutable_options()->set_durability(v1::DURABILITY_MEMORY);
  CHECK(f.set(request).ok());
}

TEST_CASE("v1: every answer of a write names the level it was given") {
  KeyValueFixture always(FsyncPolicy::kAlways);
  CHECK(always.set("k", "v").response.write().durability() == v1::DURABILITY_DISK);
  CHECK(always.remove("none").response.write().durability() == v1::DURABILITY_DISK);
  KeyValueFixture interval(FsyncPolicy::kInterval);
  v1::SetRequest request = interval.to_set("k", "v");
  CHECK(interval.set(request).response.write().durability() == v1::DURABILITY_OS);
  for (const auto level : {v1::DURABILITY_MEMORY, v1::DURABILITY_OS, v1::DURABILITY_DISK}) {
    request.mutable_options()->set_durability(level);
    CHECK(interval.set(request).response.write().durability() == level);
  }
  CHECK(interval.journal.durable() == interval.journal.applied());
}

TEST_CASE("v1: a structure is replaced by Set and refused by Get, unless only its metadata are wanted") {
  KeyValueFixture f;
  {
    WriteLock shard = f.store.write(HashedKey("h"));
    shard.publish(shard.prepare_put(HashedKey("h"), HashedValue("inside"), ValueType::kHash, kNoExpiry), 1);
  }
  check_refused(f.get("h").status, StatusCode::FAILED_PRECONDITION, "WRONG_TYPE");
  v1::GetRequest request;
  request.set_key("h");
  request.set_omit_value(true);
  CHECK(f.get(request).response.entry().type() == v1::VALUE_TYPE_HASH);
  v1::SetRequest set = f.to_set("h", "v");
  set.mutable_precondition()->set_value_equals("inside");
  const auto kept = f.set(set);
  CHECK_FALSE(kept.response.applied());
  CHECK(kept.response.previous().type() == v1::VALUE_TYPE_HASH);
  CHECK(kept.response.previous().value().empty());
  set.clear_precondition();
  CHECK(f.set(set).response.applied());
  CHECK(f.value("h") == "v");
}

TEST_CASE("v1: before serving and after it every call says which it is") {
  KeyValueFixture f;
  f.engine.stop_serving();
  check_refused(f.get("k").status, StatusCode::UNAVAILABLE, "SHUTTING_DOWN");
  check_refused(f.set("k", "v").status, StatusCode::UNAVAILABLE, "SHUTTING_DOWN");
  check_refused(f.remove("k").status, StatusCode::UNAVAILABLE, "SHUTTING_DOWN");
}
