#include "server/rpc_metrics.h"

#include <algorithm>
#include <array>
#include <string>

namespace kv {
namespace {

using prometheus::MetricType;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kLookEvery{1};
constexpr std::array<const char*, kCallStages> kStageNames = {"queue", "exec", "disk", "send"};

double seconds_of(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

std::vector<double> RpcMetrics::busy_ratios() {
  const std::lock_guard lock(mutex_);
  const steady_clock::time_point now = steady_clock::now();
  if (!ratios_.empty() && now - looked_at_ < kLookEvery) return ratios_;
  const std::vector<PollerTime> times = server_.poller_times();
  const double wall = seconds_of(now - std::exchange(looked_at_, now));
  seen_.resize(times.size());
  ratios_.resize(times.size());
  for (std::size_t queue = 0; queue < times.size(); ++queue) {
    const double used = seconds_of(times[queue].cpu - seen_[queue].cpu);
    // The two clocks are not read at the same instant.
    ratios_[queue] = wall > 0 ? std::min(used / (wall * times[queue].pollers), 1.0) : 0;
  }
  seen_ = times;
  return ratios_;
}

void RpcMetrics::collect(MetricFamilies& families) {
  const StageCounts::Totals stages = server_.stage_totals();
  families.push_back(metric_family("rpc_stage_seconds", "Where the time of unary calls goes.", MetricType::Histogram));
  for (std::size_t n = 0; n < kCallStages; ++n) {
    add_durations(families.back(), stages[n]).label = {{"stage", kStageNames[n]}};
  }
  std::vector<Labelled> rows;
  const std::vector<double> ratios = busy_ratios();
  for (std::size_t queue = 0; queue < ratios.size(); ++queue) {
    rows.push_back({"queue", std::to_string(queue), ratios[queue]});
  }
  families.push_back(labelled("completion_queue_busy_ratio", "Part of its time that a queue's pollers were busy.",
                              MetricType::Gauge, rows));
}

}  // namespace kv
