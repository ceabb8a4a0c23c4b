// How many calls of each method ended with which code, and how long they took: one of these a reactor, added up when
// somebody asks.
//
// Threads:  count() from the pollers, totals() from any thread; method() only before the pollers start.
// Units:    nanoseconds from the moment the call was taken from the queue until its answer was handed to the library.
// Lifetime: what method() returns lives as long as the counts.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace kv {

inline constexpr std::size_t kStatusCodes = 17;  // OK to UNAUTHENTICATED
// Bucket n counts durations below 2^n microseconds that no lower bucket counted; the last one counts all the rest.
inline constexpr std::size_t kDurationBuckets = 26;

// Totals of one method at one moment.
struct MethodTotals {
  std::string method;  // "package.Service/Method"
  std::array<std::uint64_t, kStatusCodes> by_code{};
  std::array<std::uint64_t, kDurationBuckets> by_duration{};
  std::uint64_t nanoseconds = 0;
};

class MethodCounts {
 public:
  explicit MethodCounts(std::string_view method) : method_(method) {}

  void count(int code, std::chrono::nanoseconds took) noexcept;
  void add_to(MethodTotals& totals) const noexcept;
  const std::string& method() const noexcept { return method_; }

 private:
  const std::string method_;
  std::array<std::atomic<std::uint64_t>, kStatusCodes> by_code_{};
  std::array<std::atomic<std::uint64_t>, kDurationBuckets> by_duration_{};
  std::atomic<std::uint64_t> nanoseconds_{0};
};

class CallCounts {
 public:
  MethodCounts& method(std::string_view name) { return methods_.emplace_back(name); }
  // Adds to the totals of the same name, or appends them.
  void add_to(std::vector<MethodTotals>& totals) const;

 private:
  std::deque<MethodCounts> methods_;
};

}  // namespace kv
