#include <atomic>
#include <future>
#include <optional>
#include <thread>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "server/range_deleter.h"
#include "tests/server/held_disk.h"
#include "tests/server/range_fixture.h"

using namespace kv;
using grpc::StatusCode;
using namespace std::string_literals;

TEST_CASE("delete range: what lies in the range goes, all else stays, and the answer counts") {
  RangeFixture f(FsyncPolicy::kAlways);
  f.fill(700, "a ");
  f.fill(10, "b ");
  v1::DeleteRangeRequest request;
  request.mutable_range()->set_prefix("a ");
  request.set_dry_run(true);
  const auto counted = f.delete_range(request);
  CHECK(counted.response.deleted() == 700);
  CHECK_FALSE(counted.response.has_write());
  CHECK(f.store.totals().keys == 710);

  request.set_dry_run(false);
  const auto deleted = f.delete_range(request);
  REQUIRE(deleted.ok());
  CHECK(deleted.response.deleted() == 700);
  CHECK(deleted.response.write().durability() == v1::DURABILITY_DISK);
  CHECK(deleted.response.write().revision() == f.journal.applied());
  CHECK(f.journal.durable() == f.journal.applied());
  CHECK(f.store.totals().keys == 10);

  const auto again = f.delete_range(request);
  CHECK(again.response.deleted() == 0);
  CHECK(again.response.write().revision() == 0);
}

TEST_CASE("delete range: every key needs a confirmation, however it is said") {
  RangeFixture f;
  f.fill(20);
  v1::DeleteRangeRequest request;
  const std::string start = GENERATE(std::string(), std::string(1, '\0'));
  request.mutable_range()->set_start(start);
  const auto refused = f.delete_range(request);
  CHECK(refused.status.error_code() == StatusCode::FAILED_PRECONDITION);
  CHECK(refused.reason() == "CONFIRMATION_REQUIRED");
  CHECK(f.store.totals().keys == 20);
  request.set_dry_run(true);
  CHECK(f.delete_range(request).response.deleted() == 20);
  request.set_dry_run(false);
  request.set_confirm_all(true);
  CHECK(f.delete_range(request).response.deleted() == 20);
  CHECK(f.store.totals().keys == 0);
}

TEST_CASE("delete range: a due key is not counted, but it goes") {
  RangeFixture f;
  v1::SetRequest due = RangeFixture::to_set("a due", "v");
  due.mutable_expiry()->mutable_ttl()->set_nanos(1'000'000);
  REQUIRE(f.set(due).ok());
  REQUIRE(f.set("a", "v").ok());
  f.clock.advance(std::chrono::milliseconds(2));
  v1::DeleteRangeRequest request;
  request.mutable_range()->set_prefix("a");
  CHECK(f.delete_range(request).response.deleted() == 1);
}

TEST_CASE("walks: range deletions and old listings have one bound, scans their own; what is above did nothing") {
  Limits limits;
  limits.scans_max = 1;
  RangeFixture f({}, posix_file_system(), limits);
  f.fill(10);
  v1::DeleteRangeRequest request;
  request.mutable_range()->set_prefix("key");
  const auto list = [&f] {
    TestCaller caller(f.scheduler);
    return run_task(f.engine.keys(1 << 20, caller));
  };
  {
    const absl::StatusOr<WalkBound::Place> other = f.engine.walk_bound().take();
    REQUIRE(other.ok());
    CHECK(f.scan().shown == 10);
    for (const bool dry_run : {false, true}) {
      request.set_dry_run(dry_run);
      const auto refused = f.delete_range(request);
      CHECK(refused.reason() == "OVERLOADED");
      CHECK_THAT(refused.status.error_details(), Catch::Matchers::Contains("google.rpc.RetryInfo"));
    }
    CHECK(has_reason(list().status(), Reason::kOverloaded));
    CHECK(f.store.totals().keys == 10);
  }
  const absl::StatusOr<WalkBound::Place> scan = f.engine.scan_bound().take();
  REQUIRE(scan.ok());
  CHECK(f.scan().reason() == "OVERLOADED");
  CHECK(list().ok());
  request.set_dry_run(false);
  CHECK(f.delete_range(request).response.deleted() == 10);
}

TEST_CASE("delete range: what is refused is refused before anything is deleted") {
  RangeFixture f;
  f.fill(20);
  v1::DeleteRangeRequest request;
  request.mutable_range()->set_prefix("key");
  request.mutable_options()->set_durability(v1::DURABILITY_DISK);
  CHECK(f.delete_range(request).reason() == "DURABILITY_UNAVAILABLE");
  request.mutable_options()->set_durability(static_cast<v1::Durability>(9));
  CHECK(f.delete_range(request).reason() == "FIELD_INVALID");
  request.mutable_options()->clear_durability();
  request.mutable_options()->set_request_id("too short");
  CHECK(f.delete_range(request).reason() == "FIELD_INVALID");
  request.clear_options();
  request.mutable_range()->set_end("z");
  CHECK(f.delete_range(request).reason() == "RANGE_INVALID");
  CHECK(f.store.totals().keys == 20);
}

TEST_CASE("delete range: of a range with nothing in it the level is judged and answered as of a missing key") {
  v1::DeleteRangeRequest range;
  range.mutable_range()->set_prefix("nothing");
  v1::DeleteRequest key;
  key.set_key("nothing");
  const auto with = [](auto request, v1::Durability level) {
    if (level != v1::DURABILITY_UNSPECIFIED) request.mutable_options()->set_durability(level);
    return request;
  };
  const auto levels = {v1::DURABILITY_UNSPECIFIED, v1::DURABILITY_MEMORY, v1::DURABILITY_OS, v1::DURABILITY_DISK};
  const std::optional<FsyncPolicy> log = GENERATE(std::optional<FsyncPolicy>(), std::optional(FsyncPolicy::kAlways),
                                                  std::optional(FsyncPolicy::kInterval));
  RangeFixture f(log);
  for (const v1::Durability level : levels) {
    const auto ranged = f.delete_range(with(range, level));
    const auto single = f.remove(with(key, level));
    INFO(v1::Durability_Name(level));
    CHECK(ranged.ok() == (log.has_value() || level < v1::DURABILITY_OS));
    CHECK(ranged.ok() == single.ok());
    CHECK(ranged.reason() == single.reason());
    CHECK(ranged.response.write().durability() == single.response.write().durability());
    CHECK(ranged.response.write().revision() == 0);
  }
  range.set_dry_run(true);
  CHECK(f.delete_range(with(range, v1::DURABILITY_DISK)).ok());  // It changes nothing, whatever it finds.
}

TEST_CASE("delete range: that nothing is there any more is told when that has the level asked for") {
  HeldDisk disk;
  RangeFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  REQUIRE(f.set("key", "v").ok());
  disk.hold(true);
  REQUIRE(f.EngineFixture::remove("key", Level::kMemory).ok());
  v1::DeleteRangeRequest request;
  request.mutable_range()->set_prefix("key");
  request.mutable_options()->set_durability(v1::DURABILITY_MEMORY);
  const auto early = f.delete_range(request);
  REQUIRE(early.ok());
  CHECK(early.response.write().durability() == v1::DURABILITY_MEMORY);
  request.mutable_options()->set_durability(v1::DURABILITY_DISK);
  auto late = std::async(std::launch::async, [&] { return f.delete_range(request); });
  disk.hold(false);
  const auto told = late.get();
  REQUIRE(told.ok());
  CHECK(told.response.write().durability() == v1::DURABILITY_DISK);
  CHECK(f.journal.durable() == f.journal.applied());
}

namespace {

// Writes every key anew whenever it is asked whether it still wants something: also between a key's being found and its
// removal.
class WritingCaller final : public Caller {
 public:
  WritingCaller(RangeFixture& fixture, int keys) : fixture_(fixture), keys_(keys) {}
  Scheduler& home() noexcept override { return fixture_.scheduler; }
  absl::Status still_wanted() noexcept override {
    for (int i = 0; i < keys_; ++i) {
      const std::string key = "key " + std::to_string(i);
      const Operation set = operation_of(OperationKind::kSet, key, "new");
      if (!run_task(fixture_.engine.write(set, fixture_.caller)).ok()) return absl::InternalError("not written");
    }
    ++asked;
    return absl::OkStatus();
  }
  int asked = 0;

 private:
  RangeFixture& fixture_;
  const int keys_;
};

}  // namespace

TEST_CASE("delete range: a key that is written after the call began stays") {
  RangeFixture f;
  f.fill(50);
  f.fill(50, "key not written again ");
  WritingCaller caller(f, 50);
  const RangeDeletion deletion{KeyRange::with_prefix("key "), {}, false};
  const auto deleted = run_task(RangeDeleter(f.engine, deletion, caller).run());
  REQUIRE(deleted.ok());
  CHECK(caller.asked > 0);
  CHECK(deleted->keys == 50);
  CHECK(f.store.totals().keys == 50);
  CHECK(f.value("key 7") == "new");
}

namespace {

v1::DeleteRangeRequest range_with_id(const std::string& prefix, char id) {
  v1::DeleteRangeRequest request;
  request.mutable_range()->set_prefix(prefix);
  request.mutable_options()->set_request_id(std::string(16, id));
  return request;
}

// Leaves after a while.
class LeavingCaller final : public Caller {
 public:
  LeavingCaller(Scheduler& home, int patience) : home_(home), patience_(patience) {}
  Scheduler& home() noexcept override { return home_; }
  absl::Status still_wanted() noexcept override {
    return patience_-- > 0 ? absl::OkStatus() : error(Reason::kCancelledInQueue, "the caller has left");
  }

 private:
  Scheduler& home_;
  int patience_;
};

}  // namespace

TEST_CASE("delete range: sent again with its request id it is answered as before, and what came since stays") {
  RangeFixture f(FsyncPolicy::kAlways);
  f.fill(30);
  const auto first = f.delete_range(range_with_id("key", 'a'));
  REQUIRE(first.ok());
  CHECK(first.response.deleted() == 30);
  CHECK_FALSE(first.response.write().replayed());
  f.fill(5);
  const auto again = f.delete_range(range_with_id("key", 'a'));
  REQUIRE(again.ok());
  CHECK(again.response.deleted() == 30);
  CHECK(again.response.write().replayed());
  CHECK(again.response.write().revision() == first.response.write().revision());
  CHECK(again.response.write().durability() == v1::DURABILITY_DISK);
  CHECK(f.store.totals().keys == 5);
  // An id names one range; a count is no write and needs none.
  CHECK(f.delete_range(range_with_id("key 1", 'a')).reason() == "REQUEST_ID_REUSED");
  CHECK(f.set("other", "v").ok());
  v1::DeleteRangeRequest counting = range_with_id("key", 'b');
  counting.set_dry_run(true);
  CHECK(f.delete_range(counting).response.deleted() == 5);
  CHECK(f.delete_range(range_with_id("key", 'b')).response.deleted() == 5);
  // One that found nothing finds nothing later.
  CHECK(f.delete_range(range_with_id("key", 'c')).response.deleted() == 0);
  f.fill(5);
  const auto nothing = f.delete_range(range_with_id("key", 'c'));
  CHECK(nothing.response.deleted() == 0);
  CHECK(nothing.response.write().replayed());
  CHECK(f.store.totals().keys == 6);
}

TEST_CASE("delete range: a retry of one that was cut short removes the rest of what was there, and nothing newer") {
  RangeFixture f;
  f.fill(400);
  RangeDeletion deletion{KeyRange::with_prefix("key "), {}, false};
  deletion.options.request_id = RequestId{std::byte{1}};
  LeavingCaller leaving(f.scheduler, 5);
  const auto cut_short = run_task(RangeDeleter(f.engine, deletion, leaving).run());
  REQUIRE(has_reason(cut_short.status(), Reason::kOutcomeUnknown));
  const std::uint64_t left = f.store.totals().keys;
  CHECK(left > 0);
  CHECK(left < 400);
  f.fill(3, "key newer ");
  LeavingCaller staying(f.scheduler, 1'000'000);
  const auto rest = run_task(RangeDeleter(f.engine, deletion, staying).run());
  REQUIRE(rest.ok());
  CHECK(rest->replayed);
  CHECK(rest->keys == left);
  CHECK(f.store.totals().keys == 3);
  const auto again = run_task(RangeDeleter(f.engine, deletion, staying).run());
  CHECK(again->keys == left);
  CHECK(again->revision == rest->revision);
  CHECK(f.store.totals().keys == 3);
}

TEST_CASE("delete range: duplicates at once delete every key once, and what is remembered is all of it") {
  RangeFixture f(FsyncPolicy::kNever);
  f.fill(300);
  std::vector<std::thread> duplicates;
  for (int i = 0; i < 4; ++i) {
    duplicates.emplace_back([&] {
      if (!f.delete_range(range_with_id("key", 'a')).ok()) std::terminate();
    });
  }
  for (std::thread& duplicate : duplicates) duplicate.join();
  CHECK(f.delete_range(range_with_id("key", 'a')).response.deleted() == 300);
  CHECK(f.store.totals().keys == 0);
}

TEST_CASE("delete range: a large request of more fields than any has is no message, wherever they stand") {
  KeyValueFixture f;
  const auto fields = [](int count) {
    std::string bytes;
    for (int i = 0; i < count; ++i) bytes += "\x78\x01"s;  // field 15, which does not exist
    return bytes;
  };
  const std::string many = fields(3000);
  const std::string within_range = "\x0a\xf0\x2e"s + many;  // 6000 bytes
  const std::string within_group = "\x7b"s + many + "\x7c"s;
  CHECK(f.raw("DeleteRange", many).reason() == "MESSAGE_INVALID");
  CHECK(f.raw("DeleteRange", within_range).reason() == "MESSAGE_INVALID");
  CHECK(f.raw("DeleteRange", within_group).reason() == "MESSAGE_INVALID");
  CHECK(f.raw("DeleteRange", fields(1)).reason() == "FIELD_INVALID");
  CHECK(f.raw("DeleteRange", fields(1) + "\x0a\x82\x40\x0a\xff\x3f"s + std::string(8191, 'k')).reason() ==
        "FIELD_INVALID");
}
