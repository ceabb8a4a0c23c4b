#include "bench/selftest.h"

#include <cmath>
#include <iostream>

#include <fmt/format.h>

#include "bench/stub_service.h"
#include "core/absl_text.h"
#include "rpc/server.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

constexpr auto kPeriod = 400ms;
constexpr auto kPause = 80ms;
constexpr double kToleranceMs = 8;

RpcServerOptions one_poller() {
  RpcServerOptions options;
  options.queues = 1;
  return options;
}

LoadPlan plan_for(const RpcServer& server) {
  LoadPlan plan;
  plan.caller.target = server.addresses().front();
  plan.caller.channels = 2;
  plan.workload = *preset("get");
  plan.warm_up = 500ms;
  plan.duration = 4s;  // whole periods
  return plan;
}

absl::StatusOr<Measurement> measured(const StubBehaviour& behaviour, std::optional<double> rate) {
  StubService service(behaviour);
  RpcServer server(one_poller(), {&service});
  if (absl::Status started = server.start(); !started.ok()) return started;
  LoadPlan plan = plan_for(server);
  plan.rate = rate;
  plan.arrivals = Arrivals::kUniform;
  plan.closed = 1;
  KeySpace keys(plan.workload.keys);
  Progress progress(progress_terminal());
  Measurement run = measure(plan, keys, nullptr, std::nullopt, progress);
  return run;
}

bool tell(bool good, const std::string& line) {
  std::cout << (good ? "ok    " : "WRONG ") << line << std::endl;
  return good;
}

// Arrivals are even in time, so a share of pause / period of them come while the server stalls, and those wait for
// between nothing and the whole pause, evenly.
double expected_ms(double fraction) {
  const double pause = std::chrono::duration<double, std::milli>(kPause).count();
  const double stalled = pause / std::chrono::duration<double, std::milli>(kPeriod).count();
  return fraction <= 1 - stalled ? 0 : (fraction - (1 - stalled)) / stalled * pause;
}

bool check_percentiles(const Measurement& run) {
  bool good = true;
  const Histogram latency = run.record.total().from_intended;
  for (const double fraction : {0.5, 0.75, 0.85, 0.9, 0.95, 0.99, 0.999}) {
    const double value = std::chrono::duration<double, std::milli>(latency.percentile(fraction)).count();
    const double expected = expected_ms(fraction);
    good = tell(std::abs(value - expected) <= kToleranceMs,
                fmt::format("open loop, p{:g}: {:.1f} ms, computed {:.1f} ms", fraction * 100, value, expected)) &&
           good;
  }
  return good;
}

StubBehaviour stalls() {
  StubBehaviour behaviour;
  behaviour.begin = LoadClock::now();
  behaviour.period = kPeriod;
  behaviour.pause = kPause;
  return behaviour;
}

absl::StatusOr<bool> check_open_loop() {
  const auto run = measured(stalls(), 1000);
  if (!run.ok()) return run.status();
  const bool good = tell(!run->saturated(), "open loop: the schedule is kept through the stalls");
  return check_percentiles(*run) && good;
}

// The same server, asked by one caller that waits: it asks once a stall, and p90 does not see them. This is why the
// open loop is the default.
absl::StatusOr<bool> check_closed_loop() {
  const auto run = measured(stalls(), std::nullopt);
  if (!run.ok()) return run.status();
  const auto p90 = run->record.total().from_intended.percentile(0.9);
  return tell(p90 < 8ms, fmt::format("closed loop: p90 is {:.1f} ms, blind to the same stalls",
                                     std::chrono::duration<double, std::milli>(p90).count()));
}

absl::StatusOr<bool> check_saturation() {
  StubBehaviour behaviour;
  behaviour.work = 2ms;  // at most 500 a second
  const auto run = measured(behaviour, 1000);
  if (!run.ok()) return run.status();
  return tell(run->saturated() && run->achieved_rate() < 600,
              fmt::format("1000/s at a server for 500/s: {:.0f}/s answered in time, and said to be saturated",
                          run->achieved_rate()));
}

absl::StatusOr<bool> check_errors() {
  StubBehaviour behaviour;
  behaviour.refuse_every = 10;
  const auto run = measured(behaviour, 1000);
  if (!run.ok()) return run.status();
  const KindRecord all = run->record.total();
  const double share = static_cast<double>(all.failed) / static_cast<double>(all.failed + all.answered);
  return tell(std::abs(share - 0.1) < 0.01 && all.errors.contains("RESOURCE_EXHAUSTED OVERLOADED"),
              fmt::format("one of ten refused: {:.1f} % failed", 100 * share));
}

}  // namespace

BenchExit selftest() {
  bool good = true;
  for (const auto check : {check_open_loop, check_closed_loop, check_saturation, check_errors}) {
    const auto checked = check();
    if (!checked.ok()) return fail(checked.status());
    good = *checked && good;
  }
  return good ? BenchExit::kDone : BenchExit::kFailed;
}

}  // namespace kv
