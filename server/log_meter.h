// How long the syncs of the log took, and how many records each write of it carried: counted where it happens, shown by
// /metrics.
//
// Threads: synced() and wrote() from the journal's threads, collect() from any.
// Lifetime: outlives the storage that counts into it.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "server/metric_families.h"

namespace kv {

class LogMeter {
 public:
  void synced(std::chrono::nanoseconds took) noexcept { syncs_.count(took); }
  void wrote(std::uint32_t records) noexcept;

  void collect(MetricFamilies& families) const;

 private:
  // Bucket n counts groups of up to 2^n records that no lower one counted; the last one all the rest.
  static constexpr std::size_t kGroupBuckets = 18;

  DurationCounts syncs_;
  std::array<std::atomic<std::uint64_t>, kGroupBuckets> groups_{};
  std::atomic<std::uint64_t> records_{0};
};

}  // namespace kv
