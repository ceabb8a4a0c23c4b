// What an answer may show: a disk that holds a sync back, and one whose sync fails.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/server/held_disk.h"
#include "tests/server/service_fixture.h"

using namespace kv;
using grpc::StatusCode;

namespace {

Task<absl::Status> written(Journal& journal, Revision revision, Scheduler& home) {
  co_return co_await journal.wait_written(revision, Level::kDisk, home);
}

Task<absl::Status> readable(Engine& engine, Revision shown, Scheduler& home) {
  co_return co_await engine.until_readable(shown, home);
}

const ServiceFixture::Metadata kMemory = {{"kvstore-durability", "memory"}};

}  // namespace

TEST_CASE("durability: while a sync is under way, what is not durable must be waited for, and only that") {
  HeldDisk disk;
  EngineFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  REQUIRE(f.set("safe", "v").ok());
  REQUIRE(f.set("gone", "v").ok());
  disk.hold(true);
  REQUIRE(f.set("k", "v", kNoExpiry, Level::kMemory).ok());
  REQUIRE(f.remove("gone", Level::kMemory).ok());

  CHECK(f.get("safe") == "v");
  CHECK_FALSE(f.engine.must_wait(f.shown));
  CHECK(f.get("k") == "v");
  const Revision written_one = f.shown;
  CHECK(f.engine.must_wait(written_one));
  CHECK_FALSE(f.get("gone"));
  CHECK(f.engine.must_wait(f.shown));

  disk.hold(false);
  CHECK(run_task(readable(f.engine, f.shown, f.scheduler)).ok());
  CHECK_FALSE(f.engine.must_wait(written_one));
}

TEST_CASE("durability: after a failed sync writes are refused, what may be lost is not shown, all below is served") {
  HeldDisk disk;
  ServiceFixture f(FsyncPolicy::kAlways, true, {}, disk.fs, "/log");
  REQUIRE(f.set("safe", "v").ok());
  REQUIRE(f.set("gone", "v").ok());
  disk.hold(true);
  REQUIRE(f.set("k", "v", kMemory).ok());
  REQUIRE(f.del("gone", kMemory).ok());
  disk.fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
  disk.hold(false);
  CHECK(has_reason(run_task(written(f.journal, f.journal.applied(), f.scheduler)), Reason::kOutcomeUnknown));

  CHECK(f.get("safe").response.value() == "v");
  for (const auto& status : {f.get("k").status, f.get("gone").status, f.keys().status}) {
    CHECK(status.error_code() == StatusCode::UNAVAILABLE);
    CHECK_THAT(status.error_message(), Catch::Matchers::StartsWith("NOT_DURABLE: "));
  }
  const Revision applied = f.journal.applied();
  for (const auto& status : {f.set("new", "v").status, f.set("new", "v", kMemory).status, f.del("safe").status,
                             f.del("never there").status}) {
    CHECK(status.error_code() == StatusCode::UNAVAILABLE);
    CHECK_THAT(status.error_message(), Catch::Matchers::StartsWith("WRITES_SUSPENDED: "));
  }
  CHECK(f.journal.applied() == applied);
}

TEST_CASE("durability: a write that waits for a sync that fails is told that its outcome is unknown") {
  HeldDisk disk;
  ServiceFixture f(FsyncPolicy::kAlways, true, {}, disk.fs, "/log");
  REQUIRE(f.set("k", "v").ok());
  disk.fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
  const auto reply = f.set("k", "w");
  CHECK(reply.status.error_code() == StatusCode::UNKNOWN);
  CHECK(reply.reason() == "OUTCOME_UNKNOWN");
}

TEST_CASE("D19: a write that the log refuses is not visible") {
  HeldDisk disk;
  ServiceFixture f(FsyncPolicy::kAlways, true, {}, disk.fs, "/log");
  REQUIRE(f.set("k", "v").ok());
  disk.fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
  CHECK_FALSE(f.set("other", "v").ok());  // Fails the journal.
  CHECK(f.set("k", "w").reason() == "WRITES_SUSPENDED");
  CHECK(f.get("k").response.value() == "v");
}

TEST_CASE("durability: a due key stays hidden when the log refuses its removal") {
  HeldDisk disk;
  EngineFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  REQUIRE(f.set("k", "v", f.clock.now() + 10).ok());
  disk.fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
  CHECK_FALSE(f.set("other", "v").ok());
  f.clock.advance(std::chrono::milliseconds(10));
  const auto expired = run_task(f.engine.expire(f.store.shard_of(HashedKey("k")), 10, f.scheduler));
  CHECK(has_reason(expired.status(), Reason::kWritesSuspended));
  CHECK_FALSE(f.get("k"));
  CHECK(f.store.totals().keys == 2);
}
