// A write with a request id, sent again: applied once, answered as before.
#include <atomic>
#include <future>
#include <vector>

#include <catch2/catch.hpp>

#include "core/bytes.h"
#include "core/error.h"
#include "server/request_key.h"
#include "server/transaction.h"
#include "tests/server/engine_fixture.h"
#include "tests/server/held_disk.h"
#include "tests/support/bounded_threads.h"
#include "tests/support/faulty_file_system.h"

using namespace kv;
using namespace std::chrono_literals;

namespace {

RequestId id_of(std::uint64_t number) {
  RequestId id{};
  kv::store(id.data(), number);
  return id;
}

Operation operation_of(OperationKind kind, std::string_view key, std::uint64_t id) {
  Operation operation;
  operation.kind = kind;
  operation.key = key;
  operation.options.request_id = id_of(id);
  return operation;
}
Operation to_set(std::string_view key, std::string_view value, std::uint64_t id) {
  Operation operation = operation_of(OperationKind::kSet, key, id);
  operation.value = value;
  return operation;
}
Operation to_increment(std::string_view key, std::int64_t delta, std::uint64_t id) {
  Operation operation = operation_of(OperationKind::kIncrement, key, id);
  operation.step.delta = delta;
  return operation;
}

// Keeps what an answer would say.
class KeptAnswer final : public OutcomeSink {
 public:
  absl::Status reserve(const Outcome&) override { return absl::OkStatus(); }
  void take(const Outcome& outcome) noexcept override { last = outcome; }
  Outcome last;
};

}  // namespace

TEST_CASE("exactly once: a retry is answered with the first revision, and changes nothing") {
  for (const auto log : {std::optional<FsyncPolicy>(), std::optional(FsyncPolicy::kAlways)}) {
    EngineFixture f(log);
    const auto first = f.write(to_set("k", "v", 1));
    REQUIRE(first.ok());
    CHECK_FALSE(first->replayed);
    REQUIRE(f.set("k", "newer").ok());
    const auto again = f.write(to_set("k", "v", 1));
    REQUIRE(again.ok());
    CHECK(again->replayed);
    CHECK(again->revision == first->revision);
    CHECK(again->level == first->level);
    CHECK(f.get("k") == "newer");
    CHECK(f.journal.applied() == 2);
    CHECK(f.engine.replayed_total() == 1);
  }
}

TEST_CASE("exactly once: an id names one request; another one under it is refused, and nothing applied") {
  EngineFixture f;
  Operation first = to_set("k", "v", 1);
  REQUIRE(f.write(first).ok());
  std::vector<Operation> others{to_set("k", "w", 1),
                                to_set("l", "v", 1),
                                operation_of(OperationKind::kDelete, "k", 1),
                                to_increment("k", 1, 1),
                                first,
                                first};
  others[4].precondition = {.test = Precondition::Test::kExists, .exists = true, .value = {}};
  others[5].expiry = {ExpiryPolicy::Kind::kTtl, 5000};
  for (const Operation& other : others) CHECK(has_reason(f.write(other).status(), Reason::kRequestIdReused));
  CHECK(f.journal.applied() == 1);
  // What only shapes the answer is no other request.
  first.return_previous = true;
  first.options.level = Level::kMemory;
  CHECK(f.write(first)->replayed);
}

TEST_CASE("exactly once: a delete that found nothing deletes nothing later either") {
  EngineFixture f(FsyncPolicy::kAlways);
  CHECK_FALSE(f.write(operation_of(OperationKind::kDelete, "k", 1))->applied);
  REQUIRE(f.set("k", "v").ok());
  const auto again = f.write(operation_of(OperationKind::kDelete, "k", 1));
  REQUIRE(again.ok());
  CHECK(again->replayed);
  CHECK_FALSE(again->applied);
  CHECK(f.get("k") == "v");
  // Without an id, nothing is logged for a delete of nothing.
  const Revision before = f.journal.applied();
  CHECK_FALSE(f.remove("missing")->applied);
  CHECK(f.journal.applied() == before);
}

TEST_CASE("exactly once: a condition that failed fails for its retry, whatever the key holds by then") {
  EngineFixture f;
  Operation swap = to_set("k", "mine", 1);
  swap.precondition = {.test = Precondition::Test::kValue, .value = "free"};
  REQUIRE(f.set("k", "taken").ok());
  CHECK_FALSE(f.write(swap)->applied);
  REQUIRE(f.set("k", "free").ok());
  CHECK_FALSE(f.write(swap)->applied);
  CHECK(f.get("k") == "free");
  swap.options.request_id = id_of(2);
  CHECK(f.write(swap)->applied);
}

TEST_CASE("exactly once: what was refused for what it found is refused again") {
  EngineFixture f;
  REQUIRE(f.set("k", "no number").ok());
  CHECK(has_reason(f.write(to_increment("k", 1, 1)).status(), Reason::kNotAnInteger));
  REQUIRE(f.set("k", "41").ok());
  CHECK(has_reason(f.write(to_increment("k", 1, 1)).status(), Reason::kNotAnInteger));
  CHECK(f.get("k") == "41");
  Operation bounded = to_increment("k", 10, 2);
  bounded.step.max = 50;
  CHECK(has_reason(f.write(bounded).status(), Reason::kIncrementOverflow));
  REQUIRE(f.set("k", "1").ok());
  CHECK(has_reason(f.write(bounded).status(), Reason::kIncrementOverflow));
  CHECK(f.write(to_increment("k", 1, 3)).ok());
  CHECK(f.get("k") == "2");
}

TEST_CASE("exactly once: a counter and a length come back as they were") {
  EngineFixture f;
  KeptAnswer answer;
  REQUIRE(f.write(to_increment("counter", 7, 1), &answer).ok());
  CHECK(answer.last.created);
  REQUIRE(f.write(to_increment("counter", 7, 2), &answer).ok());
  REQUIRE(f.write(to_increment("counter", 7, 1), &answer).ok());
  CHECK(answer.last.replayed);
  CHECK(answer.last.counter == 7);
  CHECK(answer.last.created);
  CHECK(answer.last.revision == 1);
  Operation append = operation_of(OperationKind::kAppend, "text", 3);
  append.value = "abc";
  REQUIRE(f.write(append, &answer).ok());
  REQUIRE(f.write(append, &answer).ok());
  CHECK(answer.last.replayed);
  CHECK(answer.last.length == 3);
  CHECK(f.get("text") == "abc");
}

TEST_CASE("exactly once: an id that has left the window may be used again") {
  EngineFixture f;
  REQUIRE(f.write(to_increment("k", 1, 1)).ok());
  f.clock.advance(10min);
  CHECK_FALSE(f.write(to_increment("k", 1, 1))->replayed);
  CHECK(f.get("k") == "2");
  f.clock.advance(10min);
  f.engine.forget_requests();
  CHECK(f.store.requests().count_frozen() == 0);
}

TEST_CASE("exactly once: eight threads send the same increments, and each counts once") {
  constexpr std::uint64_t kRequests = 2000;
  EngineFixture f(FsyncPolicy::kNever);
  std::atomic<std::uint64_t> replayed{0};
  BoundedThreads threads("increments with request ids");
  for (int t = 0; t < 8; ++t) {
    threads.start([&] {
      for (std::uint64_t number = 0; number < kRequests; ++number) {
        const std::string key = "counter" + std::to_string(number % 3);
        const auto written = f.write(to_increment(key, 1, number));
        if (!written.ok()) std::terminate();
        if (written->replayed) ++replayed;
      }
    });
  }
  threads.join();
  CHECK(replayed == 7 * kRequests);
  CHECK(f.journal.applied() == kRequests);
  CHECK(f.get("counter0") == "667");
  CHECK(f.get("counter1") == "667");
  CHECK(f.get("counter2") == "666");
}

TEST_CASE("exactly once: one id for different keys at once is applied to one of them") {
  EngineFixture f;
  std::atomic<int> applied{0};
  std::atomic<int> refused{0};
  for (std::uint64_t round = 1; round <= 500; ++round) {
    BoundedThreads threads("one id for several keys");
    for (int t = 0; t < 4; ++t) {
      threads.start([&, t] {
        const std::string key = std::to_string(round) + "/" + std::to_string(t);
        const auto written = f.write(to_set(key, "v", round));
        written.ok()                                             ? ++applied
        : has_reason(written.status(), Reason::kRequestIdReused) ? ++refused
                                                                 : applied = -1'000'000;
      });
    }
    threads.join();
  }
  CHECK(applied == 500);
  CHECK(refused == 1500);
  CHECK(f.store.totals().keys == 500);
}

TEST_CASE(
    "exactly once: after a failed disk the retry of a write that may be lost is not answered as if it were safe") {
  FaultyFileSystem fs;
  REQUIRE(fs.make_directory("/log").ok());
  EngineFixture f(FsyncPolicy::kAlways, fs, {}, "/log");
  REQUIRE(f.write(to_set("safe", "v", 1)).ok());
  fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
  CHECK(has_reason(f.write(to_set("k", "v", 2)).status(), Reason::kOutcomeUnknown));
  CHECK(has_reason(f.write(to_set("k", "v", 2)).status(), Reason::kNotDurable));
  // What is on disk is answered, though nothing can be written any more.
  CHECK(f.write(to_set("safe", "v", 1))->replayed);
  CHECK(has_reason(f.write(to_set("other", "v", 3)).status(), Reason::kWritesSuspended));
}

TEST_CASE("exactly once: when the disk fails under a write that changed nothing, no outcome is unknown") {
  FaultyFileSystem fs;
  REQUIRE(fs.make_directory("/log").ok());
  EngineFixture f(FsyncPolicy::kAlways, fs, {}, "/log");
  fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
  CHECK(has_reason(f.write(operation_of(OperationKind::kDelete, "missing", 1)).status(), Reason::kNotDurable));
}

TEST_CASE("exactly once: under fsync ALWAYS a retry is answered when its first attempt is on disk, and no sooner") {
  HeldDisk disk;
  EngineFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  disk.hold(true);
  Operation first = to_increment("k", 1, 1);
  first.options.level = Level::kMemory;
  const auto early = f.write(first);
  REQUIRE(early.ok());
  // The answer, and what was durable when it came.
  const auto send = [&f](std::int64_t delta) {
    return std::async(std::launch::async, [&f, delta] {
      absl::StatusOr<Written> answer = f.write(to_increment("k", delta, 1));
      return std::pair(std::move(answer), f.journal.durable());
    });
  };
  auto retry = send(1);
  auto another = send(2);
  while (f.engine.replayed_total() == 0) std::this_thread::yield();
  disk.hold(false);
  const auto [again, durable] = retry.get();
  REQUIRE(again.ok());
  CHECK(again->replayed);
  CHECK(durable >= early->revision);
  const auto [refused, durable_then] = another.get();
  CHECK(has_reason(refused.status(), Reason::kRequestIdReused));
  CHECK(durable_then >= early->revision);
}

TEST_CASE("exactly once: what makes two writes the same request never changes, because files hold it") {
  const Operation set = to_set("key", "value", 1);
  CHECK(request_key(set, HashedKey(set.key), set.value)->hash == request_key(set, HashedKey(set.key), set.value)->hash);
  Operation full = to_increment("key", -7, 1);
  full.step = {.delta = -7, .initial = 3, .min = -100, .max = 100, .saturate = true};
  full.expiry = {ExpiryPolicy::Kind::kTtl, 5000};
  CHECK(request_key(set, HashedKey(set.key), set.value)->hash == 0x389cdde971457cf7);
  CHECK(request_key(full, HashedKey(full.key), full.value)->hash == 0xbd5720c55f6ddc68);
  CHECK_FALSE(request_key(Operation(), HashedKey(""), std::string_view()));
  TransactionRequest several;  // more numbers than are hashed in one go
  several.options.request_id = id_of(1);
  several.comparisons = {
      {.key = "key", .precondition = {.test = Precondition::Test::kExists, .exists = true, .value = {}}}};
  several.then = {set, full, set};
  several.otherwise = {full};
  CHECK(request_key(several)->hash == 0x53f57c9a0cb511c3);
}
