#include "server/log_meter.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace kv {

using prometheus::MetricType;

void LogMeter::wrote(std::uint32_t records) noexcept {
  const auto bucket = static_cast<std::size_t>(std::bit_width(std::max(records, 1u) - 1));
  groups_[std::min(bucket, kGroupBuckets - 1)].fetch_add(1, std::memory_order_relaxed);
  records_.fetch_add(records, std::memory_order_relaxed);
}

void LogMeter::collect(MetricFamilies& families) const {
  DurationTotals syncs;
  syncs_.add_to(syncs);
  families.push_back(
      metric_family("log_fsync_seconds", "Time that forcing the log to disk took.", MetricType::Histogram));
  add_durations(families.back(), syncs);

  families.push_back(
      metric_family("log_group_size", "Records that one write of the log carried.", MetricType::Histogram));
  auto& histogram = families.back().metric.emplace_back().histogram;
  std::uint64_t below = 0;
  for (std::size_t n = 0; n < kGroupBuckets; ++n) {
    below += groups_[n].load(std::memory_order_relaxed);
    const bool last = n + 1 == kGroupBuckets;
    histogram.bucket.push_back(
        {below, last ? std::numeric_limits<double>::infinity() : static_cast<double>(std::uint64_t{1} << n)});
  }
  histogram.sample_count = below;
  histogram.sample_sum = static_cast<double>(records_.load(std::memory_order_relaxed));
}

}  // namespace kv
