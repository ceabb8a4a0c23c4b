// Transactions beside each other: no deadlock, no state in between, one record.
#include "server/transaction.h"

#include <array>
#include <atomic>
#include <future>
#include <optional>
#include <random>
#include <thread>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/server/engine_fixture.h"
#include "tests/server/held_disk.h"

using namespace kv;

namespace {

// Keeps what a caller would be told.
struct Told final : TransactionSink {
  absl::Status reserve(const TransactionOutcome&) override { return reserved; }
  void take(const TransactionOutcome& outcome) noexcept override {
    succeeded = outcome.succeeded;
    revision = outcome.revision;
    for (std::size_t i = 0; i < outcome.decisions.size() && i < values.size(); ++i) {
      const EntryShown& entry = outcome.decisions[i].outcome.entry;
      values[i] = entry.there ? std::string(entry.value) : "";
    }
  }
  absl::Status reserved;
  bool succeeded = false;
  Revision revision = 0;
  std::array<std::string, 16> values;
};

Operation step(OperationKind kind, std::string_view key, std::int64_t delta = 0) {
  Operation operation;
  operation.kind = kind;
  operation.key = key;
  operation.step.delta = delta;
  return operation;
}

constexpr int kAccounts = 16;

std::string account(std::size_t number) { return "account " + std::to_string(number); }

std::vector<std::string> accounts() {
  std::vector<std::string> names;
  for (int i = 0; i < kAccounts; ++i) names.push_back(account(static_cast<std::size_t>(i)));
  return names;
}

}  // namespace

TEST_CASE(
    "transaction: money moves between accounts from eight threads, nobody waits for ever, and no sum is missing any") {
  EngineFixture f(FsyncPolicy::kNever);
  const std::vector<std::string> names = accounts();
  for (const std::string& name : names) REQUIRE(f.set(name, "100").ok());
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 400; ++i) {
        Told told;
        TransactionRequest request;
        if (i % 4 == 3) {  // The sum, over every shard.
          for (const std::string& name : names) request.then.push_back(step(OperationKind::kGet, name));
        } else {
          const std::int64_t amount = random() % 10;
          request.then.push_back(step(OperationKind::kIncrement, names[random() % kAccounts], -amount));
          request.then.push_back(step(OperationKind::kIncrement, names[random() % kAccounts], amount));
        }
        const auto done = run_task(f.engine.transact(request, f.caller, told));
        if (!done.ok() || !done->error.ok()) ++wrong;
        if (i % 4 != 3) continue;
        int sum = 0;
        for (const std::string& value : told.values) sum += std::stoi(value);
        if (sum != 100 * kAccounts) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("transaction: of many that compare the same version exactly one changes it, and both its keys") {
  EngineFixture f;
  REQUIRE(f.set("a", "0").ok());
  REQUIRE(f.set("b", "0").ok());
  for (int round = 0; round < 100; ++round) {
    Revision version = 0;
    f.engine.read(HashedKey("a"), [&](const Entry* entry) { version = entry->version(); });
    std::atomic<int> winners{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        TransactionRequest request;
        request.comparisons.push_back({.key = "a", .precondition = {}});
        request.comparisons[0].precondition.test = Precondition::Test::kVersion;
        request.comparisons[0].precondition.version = version;
        const std::string value = std::to_string(t);
        // Two orders: both lock in one.
        for (const char* key : t % 2 == 0 ? std::array{"a", "b"} : std::array{"b", "a"})
          request.then.push_back(set_operation(key, value));
        Told told;
        const auto done = run_task(f.engine.transact(request, f.caller, told));
        if (done.ok() && done->succeeded) ++winners;
      });
    }
    for (std::thread& thread : threads) thread.join();
    REQUIRE(winners == 1);
    REQUIRE(f.get("a") == f.get("b"));
  }
}

TEST_CASE("transaction: it is one record of the log, however many keys it changes") {
  EngineFixture f(FsyncPolicy::kAlways);
  const std::uint64_t before = f.journal.figures().records;
  TransactionRequest request;
  const std::vector<std::string> names = accounts();
  for (const std::string& name : names) request.then.push_back(step(OperationKind::kIncrement, name, 1));
  Told told;
  REQUIRE(run_task(f.engine.transact(request, f.caller, told)).ok());
  CHECK(f.journal.figures().records == before + 1);
  CHECK(told.revision == 1);
}

TEST_CASE("transaction: what refuses its answer leaves nothing behind") {
  EngineFixture f;
  REQUIRE(f.set("k", "1").ok());
  TransactionRequest request;
  request.then.push_back(step(OperationKind::kIncrement, "k", 1));
  request.then.push_back(step(OperationKind::kIncrement, "new", 1));
  Told told;
  told.reserved = error(Reason::kResponseTooLarge, "no room");
  const auto done = run_task(f.engine.transact(request, f.caller, told));
  REQUIRE(done.ok());
  CHECK(has_reason(done->error, Reason::kResponseTooLarge));
  CHECK(f.get("k") == "1");
  CHECK_FALSE(f.get("new"));
  CHECK(f.journal.applied() == 1);
}

TEST_CASE("transaction: one that only reads is answered although the disk has failed, of what is durable") {
  HeldDisk disk;
  EngineFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  REQUIRE(f.set("safe", "v").ok());
  disk.hold(true);
  REQUIRE(f.set("k", "v", kNoExpiry, Level::kMemory).ok());
  disk.fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
  disk.hold(false);
  while (f.journal.failure().ok()) std::this_thread::yield();
  TransactionRequest request;
  request.then.push_back(step(OperationKind::kGet, "safe"));
  Told told;
  CHECK(run_task(f.engine.transact(request, f.caller, told)).ok());
  CHECK(told.values[0] == "v");
  request.comparisons.push_back({.key = "k", .precondition = {}});
  request.comparisons[0].precondition.test = Precondition::Test::kExists;
  CHECK(has_reason(run_task(f.engine.transact(request, f.caller, told)).status(), Reason::kNotDurable));
  request.then.push_back(step(OperationKind::kIncrement, "n", 1));
  CHECK(has_reason(run_task(f.engine.transact(request, f.caller, told)).status(), Reason::kWritesSuspended));
}

TEST_CASE("transaction: one that only reads shows nothing before it is on disk, whatever level it asks for") {
  const std::optional<Level> asked =
      GENERATE(as<std::optional<Level>>(), std::nullopt, Level::kMemory, Level::kOs, Level::kDisk);
  HeldDisk disk;
  EngineFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  disk.hold(true);
  REQUIRE(f.set("k", "v", kNoExpiry, Level::kMemory).ok());
  TransactionRequest request;
  request.options.level = asked;
  request.then.push_back(step(OperationKind::kGet, "k"));
  Told told;
  std::promise<absl::StatusOr<Transacted>> result;
  auto answer = start_task(f.engine.transact(request, f.caller, told), result);
  CHECK(answer.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
  const bool fails = GENERATE(false, true);
  if (fails) disk.fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
  disk.hold(false);
  const absl::StatusOr<Transacted> done = answer.get();
  CHECK(done.ok() == !fails);
  if (fails) CHECK(has_reason(done.status(), Reason::kNotDurable));
  CHECK((f.journal.durable() == 1) == !fails);
}

TEST_CASE("transaction: one that writes and asks for MEMORY is answered early, also of the branch that only reads") {
  HeldDisk disk;
  EngineFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  disk.hold(true);
  REQUIRE(f.set("k", "v", kNoExpiry, Level::kMemory).ok());
  TransactionRequest request;
  request.options.level = Level::kMemory;
  request.comparisons.push_back({.key = "k", .precondition = {}});
  request.comparisons[0].precondition.test = Precondition::Test::kExists;
  request.comparisons[0].precondition.exists = true;
  request.then.push_back(step(OperationKind::kGet, "k"));
  request.otherwise.push_back(step(OperationKind::kIncrement, "n", 1));
  Told told;
  std::promise<absl::StatusOr<Transacted>> result;
  auto answer = start_task(f.engine.transact(request, f.caller, told), result);
  CHECK(answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready);
  CHECK(told.values[0] == "v");
  disk.hold(false);
}

TEST_CASE("transaction: one that nobody waits for any more is dropped before it is applied") {
  EngineFixture f;
  f.caller.wanted = error(Reason::kExpiredInQueue, "late");
  TransactionRequest request;
  request.then.push_back(step(OperationKind::kIncrement, "n", 1));
  Told told;
  CHECK(has_reason(run_task(f.engine.transact(request, f.caller, told)).status(), Reason::kExpiredInQueue));
  CHECK(f.journal.applied() == 0);
}
