// What an operation of kvstore.v1 may show before it is on disk: a disk that holds a sync back, and then fails.
#include <future>
#include <optional>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/server/engine_fixture.h"
#include "tests/server/held_disk.h"

using namespace kv;

namespace {

Operation operation_on(OperationKind kind, std::string_view key) {
  Operation operation;
  operation.kind = kind;
  operation.key = key;
  return operation;
}

// Under fsync ALWAYS: "k" holds "text" and "gone" was removed, both in memory only while the disk holds its sync back.
struct UnsafeState {
  UnsafeState() {
    REQUIRE(f.set("safe", "v").ok());
    REQUIRE(f.set("gone", "v").ok());
    disk.hold(true);
    REQUIRE(f.set("k", "text", kNoExpiry, Level::kMemory).ok());
    REQUIRE(f.remove("gone", Level::kMemory).ok());
  }
  ~UnsafeState() { disk.hold(false); }

  // Everything that an operation does without waiting is done when this returns.
  std::future<absl::StatusOr<Written>> start(const Operation& asked) {
    operation = asked;
    return start_task(f.engine.write(operation, f.caller), result.emplace());
  }
  static bool waits(const std::future<absl::StatusOr<Written>>& answer) {
    return answer.wait_for(std::chrono::seconds(0)) == std::future_status::timeout;
  }
  void fail_disk() {
    disk.fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
    disk.hold(false);
  }

  HeldDisk disk;
  EngineFixture f{FsyncPolicy::kAlways, disk.fs, {}, "/log"};
  Operation operation;
  std::optional<std::promise<absl::StatusOr<Written>>> result;
};

Operation failing_set() {
  Operation operation = operation_on(OperationKind::kSet, "k");
  operation.precondition.test = Precondition::Test::kExists;
  return operation;
}

Operation failing_expiry() {
  Operation operation = operation_on(OperationKind::kSetExpiry, "gone");
  operation.expiry.kind = ExpiryPolicy::Kind::kNever;
  return operation;
}

}  // namespace

TEST_CASE("answers: what an operation that changes nothing shows is held back until it is durable") {
  const Operation operation = GENERATE(failing_set(),  // a failed precondition, with the present entry
                                       operation_on(OperationKind::kDelete, "gone"),  // a miss
                                       operation_on(OperationKind::kIncrement, "k"),  // an error about the value
                                       failing_expiry());
  UnsafeState held;
  const Revision before = held.f.journal.applied();
  auto answer = held.start(operation);
  CHECK(held.waits(answer));
  held.disk.hold(false);
  const auto written = answer.get();
  CHECK((written.ok() || has_reason(written.status(), Reason::kNotAnInteger)));
  CHECK(held.f.journal.applied() == before);
  // "k" was changed before "gone" was removed, and the two may be synced one after the other.
  CHECK(held.f.journal.durable() >= (operation.key == "k" ? before - 1 : before));
}

TEST_CASE("answers: of an operation that changed nothing a failed disk is NOT_DURABLE, of a change OUTCOME_UNKNOWN") {
  const bool changes = GENERATE(false, true);
  UnsafeState held;
  auto answer = held.start(changes ? set_operation("k", "new") : failing_set());
  CHECK(held.waits(answer));
  held.fail_disk();
  CHECK(has_reason(answer.get().status(), changes ? Reason::kOutcomeUnknown : Reason::kNotDurable));
}

TEST_CASE("answers: a level of MEMORY or DISK that was asked for counts for an operation that changes nothing, too") {
  UnsafeState held;
  Operation operation = failing_set();
  operation.options.level = Level::kMemory;
  auto early = held.start(operation);
  CHECK_FALSE(held.waits(early));
  CHECK_FALSE(early.get()->applied);
  operation.options.level = Level::kDisk;
  auto late = held.start(operation);
  CHECK(held.waits(late));
  held.fail_disk();
  CHECK(has_reason(late.get().status(), Reason::kNotDurable));
}

TEST_CASE("answers: under fsync NEVER a write that changes nothing waits until what it saw is with the kernel") {
  HeldDisk disk(DiskCall::kWrite);
  EngineFixture f(FsyncPolicy::kNever, disk.fs, {}, "/log");
  REQUIRE(f.set("gone", "v").ok());
  disk.hold(true);
  REQUIRE(f.remove("gone", Level::kMemory).ok());
  // The process may be killed now, and the key would be there again.
  const Operation again = operation_on(OperationKind::kDelete, "gone");
  std::promise<absl::StatusOr<Written>> result;
  auto answer = start_task(f.engine.write(again, f.caller), result);
  CHECK(UnsafeState::waits(answer));
  CHECK(f.get("gone") == std::nullopt);  // a read promises nothing
  disk.hold(false);
  const auto written = answer.get();
  REQUIRE(written.ok());
  CHECK_FALSE(written->applied);
  CHECK(f.journal.watermarks().os >= 2);
}

TEST_CASE("answers: conditions are judged on memory, queued writes included") {
  UnsafeState held;
  Operation operation = set_operation("k", "new", kNoExpiry, Level::kMemory);
  operation.precondition.test = Precondition::Test::kValue;
  operation.precondition.value = "text";
  CHECK(held.start(operation).get()->applied);
  operation = operation_on(OperationKind::kAppend, "gone");
  operation.value = "again";
  operation.options.level = Level::kMemory;
  CHECK(held.start(operation).get().ok());
  CHECK(held.f.get("gone") == "again");
}
