// How much of a batch is carried out in one go.
#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include <catch2/catch.hpp>

#include "server/batch.h"
#include "tests/server/engine_fixture.h"
#include "tests/server/refused_memory.h"

using namespace kv;

namespace {

constexpr std::size_t kLargeBytes = 900 << 10;

struct Deaf final : BatchSink {
  void begin(std::size_t) noexcept override {}
  absl::Status reserve(const Outcome&) override { return absl::OkStatus(); }
  void take(const Outcome&) noexcept override {}
};

// Is asked each time before a shard is locked for what is carried out in one go.
class Watcher final : public Caller {
 public:
  explicit Watcher(Scheduler& home) : home_(home) {}
  Scheduler& home() noexcept override { return home_; }
  absl::Status still_wanted() noexcept override {
    note();
    if (between) std::exchange(between, nullptr)();
    began_at_ = held_.total();
    return absl::OkStatus();
  }
  // The most that was allocated from one asking to the next.
  std::size_t most() {
    note();
    return most_;
  }
  std::function<void()> between;  // the first time

 private:
  void note() { most_ = std::max(most_, held_.total() - began_at_); }

  Scheduler& home_;
  const HeldMemory held_;
  std::size_t began_at_ = 0;
  std::size_t most_ = 0;
};

void add_expiries(Batch& batch, int count, std::string_view key) {
  for (int i = 0; i < count; ++i) {
    Operation operation;
    operation.kind = OperationKind::kSetExpiry;
    operation.key = key;
    operation.expiry = {ExpiryPolicy::Kind::kNever, 0};
    batch.add(operation);
  }
}

bool all_applied(const Batch& batch) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!batch[i].error.ok() || batch[i].revision == 0) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("batch: values that get another expiry count for what is carried out in one go") {
  EngineFixture f;
  constexpr std::size_t kValueBytes = 300 << 10;
  REQUIRE(f.set("k", std::string(kValueBytes, 'v')).ok());
  REQUIRE(f.set("short", "v").ok());
  const auto steps_of = [&f](std::string_view key) {
    Batch batch;
    add_expiries(batch, 100, key);
    batch.plan(f.store);
    const Batch::Window window = batch.window(0, f.store, f.clock.now(), 0);
    return window.end - window.begin;
  };
  CHECK(steps_of("k") == 3);
  CHECK(steps_of("short") == 100);
}

TEST_CASE("batch: a value that the batch itself makes large counts for what is carried out in one go") {
  EngineFixture f;
  const std::string large(kLargeBytes, 'v');
  Batch batch;
  batch.add(set_operation("k", large));
  add_expiries(batch, 127, "k");
  batch.plan(f.store);
  Deaf sink;
  Watcher caller(f.scheduler);
  REQUIRE(run_task(f.engine.run(batch, caller, sink)).ok());
  CHECK(caller.most() < 5 * kLargeBytes);
  CHECK(all_applied(batch));
  CHECK(f.get("k") == large);
}

TEST_CASE("batch: a value that somebody else makes large meanwhile counts for what is carried out in one go") {
  EngineFixture f;
  REQUIRE(f.set("k", "short").ok());
  const std::string large(kLargeBytes, 'v');
  Batch batch;
  add_expiries(batch, 128, "k");
  batch.plan(f.store);
  Deaf sink;
  Watcher caller(f.scheduler);
  caller.between = [&] { CHECK(f.set("k", large).ok()); };
  REQUIRE(run_task(f.engine.run(batch, caller, sink)).ok());
  CHECK(caller.most() < 5 * kLargeBytes);
  CHECK(all_applied(batch));
  CHECK(f.get("k") == large);
}
