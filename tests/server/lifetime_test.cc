// "Never early": a key is there for at least as long as it was given, by a clock of whole milliseconds.
#include <chrono>
#include <string>

#include <catch2/catch.hpp>

#include "server/decision.h"
#include "tests/server/engine_fixture.h"

using namespace kv;
using namespace std::chrono_literals;

namespace {

Operation to_live(std::string_view key, UnixMillis millis) {
  Operation operation = set_operation(key, "v");
  operation.expiry = {ExpiryPolicy::Kind::kTtl, millis};
  return operation;
}

// Each step of a batch takes that long.
struct SlowSteps final : BatchSink {
  SlowSteps(ManualClock& its_clock, std::chrono::milliseconds its_step) : clock(its_clock), step(its_step) {}
  void begin(std::size_t) noexcept override { clock.advance(step); }
  absl::Status reserve(const Outcome&) override { return absl::OkStatus(); }
  void take(const Outcome&) noexcept override {}
  ManualClock& clock;
  const std::chrono::milliseconds step;
};

}  // namespace

TEST_CASE("lifetime: a time to live is rounded up by what the clock does not say, a moment is what it is") {
  constexpr UnixMillis kNow = 1'700'000'000'000;
  Decision decision;
  decide(to_live("k", 5), {}, kNow, 100, decision);
  CHECK(decision.expire_at == kNow + 6);
  Decision at;
  decide(set_operation("k", "v", kNow + 5), {}, kNow, 100, at);
  CHECK(at.expire_at == kNow + 5);
}

// A slow machine sees keys longer, never shorter.
TEST_CASE("lifetime: no key is gone before its time by the machine's own clock") {
  EngineWithClock<SystemClock> f;
  for (int round = 0; round < 100; ++round) {
    const std::chrono::milliseconds lifetime(1 + round % 3);
    const auto before = std::chrono::steady_clock::now();
    REQUIRE(run_task(f.engine.write(to_live("k", lifetime.count()), f.caller, nullptr)).ok());
    while (f.get("k")) {
    }
    REQUIRE(std::chrono::steady_clock::now() - before >= lifetime);
  }
}

// A window that has waited for one shard must not go by the time before that in the next: others were told by then that
// the key has expired.
TEST_CASE("lifetime: a key that falls due while a batch is carried out is gone to what comes later in it") {
  EngineFixture f;
  std::string first = "a", last = "a";
  for (const char name : std::string("bcdefghijklmnopqrstuvwxyz")) {
    const std::string key(1, name);
    if (f.store.shard_of(HashedKey(key)) < f.store.shard_of(HashedKey(first))) first = key;
    if (f.store.shard_of(HashedKey(key)) > f.store.shard_of(HashedKey(last))) last = key;
  }
  REQUIRE(f.store.shard_of(HashedKey(first)) < f.store.shard_of(HashedKey(last)));
  REQUIRE(f.write(to_live(last, 100)).ok());
  SlowSteps slow(f.clock, 200ms);
  Batch batch;
  batch.add(set_operation(first, "v"));
  Operation keep;
  keep.kind = OperationKind::kSetExpiry;
  keep.key = last;
  keep.expiry.kind = ExpiryPolicy::Kind::kNever;
  batch.add(keep);
  batch.plan(f.store);
  REQUIRE(run_task(f.engine.run(batch, f.caller, slow)).ok());
  CHECK_FALSE(f.get(last));
}

TEST_CASE("lifetime: a time to live in a batch begins when its own write is carried out") {
  EngineFixture f;
  SlowSteps slow(f.clock, 50ms);
  Batch batch;
  for (int i = 0; i < 4; ++i) batch.add(to_live("k", 100));
  batch.plan(f.store);
  REQUIRE(run_task(f.engine.run(batch, f.caller, slow)).ok());
  f.clock.advance(100ms);
  CHECK(f.get("k") == "v");
  f.clock.advance(1ms);
  CHECK_FALSE(f.get("k"));
}
