// Get, Set and Delete of kvstore.v1 through the generated stubs.
#include <catch2/catch.hpp>

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
  CHECK(at(f.clock.now() + 2 + 1));  // and one for what the clock does not say
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
  f.clock.advance(10ms);  // which may be less than that, by what a clock of whole milliseconds does not say
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
