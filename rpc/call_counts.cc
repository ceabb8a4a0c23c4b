#include "rpc/call_counts.h"

#include <algorithm>
#include <bit>

namespace kv {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

std::size_t bucket_of(std::chrono::nanoseconds took) noexcept {
  const auto microseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0)) / 1000;
  return std::min<std::size_t>(std::bit_width(microseconds), kDurationBuckets - 1);
}

}  // namespace

void DurationCounts::count(std::chrono::nanoseconds took) noexcept {
  by_duration_[bucket_of(took)].fetch_add(1, kRelaxed);
  nanoseconds_.fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0)), kRelaxed);
}

void DurationCounts::add_to(DurationTotals& totals) const noexcept {
  for (std::size_t i = 0; i < kDurationBuckets; ++i) totals.by_duration[i] += by_duration_[i].load(kRelaxed);
  totals.nanoseconds += nanoseconds_.load(kRelaxed);
}

void MethodCounts::count(int code, std::chrono::nanoseconds took) noexcept {
  const auto index = static_cast<std::size_t>(code);
  by_code_[index < kStatusCodes ? index : 2 /* UNKNOWN */].fetch_add(1, kRelaxed);
  durations_.count(took);
}

void MethodCounts::add_to(MethodTotals& totals) const noexcept {
  for (std::size_t i = 0; i < kStatusCodes; ++i) totals.by_code[i] += by_code_[i].load(kRelaxed);
  durations_.add_to(totals);
}

void CallCounts::add_to(std::vector<MethodTotals>& totals) const {
  for (const MethodCounts& counts : methods_) {
    auto found = std::find_if(totals.begin(), totals.end(),
                              [&](const MethodTotals& known) { return known.method == counts.method(); });
    if (found == totals.end()) {
      totals.push_back({});
      found = std::prev(totals.end());
      found->method = counts.method();
    }
    counts.add_to(*found);
  }
}

}  // namespace kv
