// What one unary call pays for metrics and the list of slow calls: the clock is read and the counts are counted as
// rpc/call.cc does it, with no call around it. `waited`: a write under --fsync always, which is also told how long it
// waited for the disk.
#include <chrono>
#include <string>

#include <benchmark/benchmark.h>

#include "core/wait_time.h"
#include "rpc/call_counts.h"
#include "rpc/slow_calls.h"

namespace kv {
namespace {

using std::chrono::steady_clock;

class NoSlowCalls final : public SlowCalls {
 public:
  void note(const SlowCall&) noexcept override {}
};

void count_a_call(benchmark::State& state) {
  const bool waited = state.range(0) != 0;
  CallCounts counts;
  for (int i = 0; i < 20; ++i) counts.method("package.Service/Other" + std::to_string(i));
  MethodCounts& method = counts.method("package.Service/Method");
  StageCounts& stages = counts.stages();
  NoSlowCalls slow_calls;
  for (auto _ : state) {
    const auto accepted = steady_clock::now();
    WaitTime disk;
    if (waited) {
      disk.begin();
      disk.end();
    }
    const auto handled = steady_clock::now();
    const std::chrono::nanoseconds took = handled - accepted;
    method.count(0, took);
    if (waited) stages.count(CallStage::kDisk, disk.time());
    stages.count(CallStage::kExec, took - disk.time());
    benchmark::DoNotOptimize(slow_calls.slow(took));
    stages.count(CallStage::kSend, steady_clock::now() - handled);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(count_a_call)->ArgName("waited")->Arg(0)->Arg(1);

// A part of it.
void read_the_clock(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(steady_clock::now());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(read_the_clock);

}  // namespace
}  // namespace kv
