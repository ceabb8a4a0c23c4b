// How late keys were removed that fell due: the promise is at most 10 ms under normal load.
//
// Threads: count() from one thread, the rest from any. Units: milliseconds, as exact as expiry times are.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace kv {

class LatenessCounts {
 public:
  // Upper bounds of the buckets, inclusive; one more bucket holds the rest.
  static constexpr std::array<std::int64_t, 9> kBounds = {1, 2, 5, 10, 20, 50, 100, 1000, 10'000};

  void count(std::chrono::milliseconds late) noexcept {
    const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), late.count());
    counts_[static_cast<std::size_t>(bound - kBounds.begin())].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(std::max<std::int64_t>(late.count(), 0), std::memory_order_relaxed);
  }
  std::uint64_t in_bucket(std::size_t bucket) const noexcept { return counts_[bucket].load(std::memory_order_relaxed); }
  std::int64_t sum_millis() const noexcept { return sum_.load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> counts_{};
  std::atomic<std::int64_t> sum_{0};
};

}  // namespace kv
