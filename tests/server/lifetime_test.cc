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

TEST_CASE("lifetime: a time to live in a batch begins when its own write is carried out") {
  EngineFixture f;
  struct Slow final : BatchSink {
    explicit Slow(ManualClock& clock) : clock(clock) {}
    void begin(std::size_t) noexcept override { clock.advance(50ms); }
    absl::Status reserve(const Outcome&) override { return absl::OkStatus(); }
    void take(const Outcome&) noexcept override {}
    ManualClock& clock;
  } slow(f.clock);
  Batch batch;
  for (int i = 0; i < 4; ++i) batch.add().operation = to_live("k", 100);
  batch.plan(f.store);
  REQUIRE(run_task(f.engine.run(batch, f.caller, slow)).ok());
  f.clock.advance(100ms);
  CHECK(f.get("k") == "v");
  f.clock.advance(1ms);
  CHECK_FALSE(f.get("k"));
}
