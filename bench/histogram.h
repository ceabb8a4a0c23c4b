// Latencies without averages: counts in buckets that grow with the value, so that every percentile is right to 2 %.
// Threads: one; add up the histograms of several with merge().
// Units:   nanoseconds. A time below zero counts as zero.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>

namespace kv {

class Histogram {
 public:
  void add(std::chrono::nanoseconds took, std::uint64_t times = 1) noexcept {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0));
    counts_[index(value)] += times;
    total_ += times;
    sum_ += static_cast<double>(value) * static_cast<double>(times);
    least_ = std::min(least_, value);
    most_ = std::max(most_, value);
  }

  void merge(const Histogram& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    sum_ += other.sum_;
    least_ = std::min(least_, other.least_);
    most_ = std::max(most_, other.most_);
  }

  std::uint64_t count() const noexcept { return total_; }
  // Exact; zero when there are none.
  std::chrono::nanoseconds min() const noexcept { return std::chrono::nanoseconds(total_ == 0 ? 0 : least_); }
  std::chrono::nanoseconds max() const noexcept { return std::chrono::nanoseconds(most_); }
  std::chrono::nanoseconds mean() const noexcept {
    return std::chrono::nanoseconds(total_ == 0 ? 0 : static_cast<std::int64_t>(sum_ / static_cast<double>(total_)));
  }

  // The value that `fraction` of all values do not exceed; zero when there are none.
  std::chrono::nanoseconds percentile(double fraction) const noexcept {
    const auto wanted = static_cast<std::uint64_t>(fraction * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted || (seen == total_ && seen != 0)) return std::chrono::nanoseconds(std::min(highest(i), most_));
    }
    return {};
  }

  // Calls visit(highest value, count) for every bucket that is not empty, from the lowest up.
  template <class Visit>
  void for_each_bucket(Visit visit) const {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] != 0) visit(std::chrono::nanoseconds(std::min(highest(i), most_)), counts_[i]);
    }
  }

 private:
  static constexpr unsigned kStepBits = 6;  // 64 buckets for each doubling
  static constexpr std::uint64_t kSteps = 1u << kStepBits;

  static std::size_t index(std::uint64_t value) noexcept {
    if (value < kSteps) return value;
    const std::size_t shift = std::bit_width(value) - 1 - kStepBits;
    return (shift + 1) * kSteps + ((value >> shift) - kSteps);
  }
  static std::uint64_t highest(std::size_t index) noexcept {
    if (index < kSteps) return index;
    const auto shift = index / kSteps - 1;
    return ((index % kSteps + kSteps + 1) << shift) - 1;
  }

  std::array<std::uint64_t, (64 - kStepBits + 1) * kSteps> counts_{};
  std::uint64_t total_ = 0;
  double sum_ = 0;
  std::uint64_t least_ = ~std::uint64_t{0};
  std::uint64_t most_ = 0;
};

}  // namespace kv
