// How many calls of each method ended with which code, how long they took, and where that time went: one of these a
// reactor, added up when somebody asks.
//
// Threads:  count() from the pollers, totals() from any thread; method() only before the pollers start.
// Units:    nanoseconds; of a call from the moment it was taken from the queue until its answer was handed to the
// library. Lifetime: what method() returns lives as long as the counts.
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

// The parts of a unary call's time. kQueue and kDisk are counted of the calls that waited there, kExec and kSend of
// all.
enum class CallStage : std::uint8_t {
  kQueue,  // waited before anything was applied
  kExec,   // from its acceptance until its answer was handed over, without the waits
  kDisk,   // waited until what it wrote or shows was as durable as it had to be
  kSend,   // from then on until nothing of it was left
};
inline constexpr std::size_t kCallStages = 4;

struct DurationTotals {
  std::array<std::uint64_t, kDurationBuckets> by_duration{};
  std::uint64_t nanoseconds = 0;
};

// Totals of one method at one moment.
struct MethodTotals : DurationTotals {
  std::string method;  // "package.Service/Method"
  std::array<std::uint64_t, kStatusCodes> by_code{};
};

class DurationCounts {
 public:
  void count(std::chrono::nanoseconds took) noexcept;
  void add_to(DurationTotals& totals) const noexcept;

 private:
  std::array<std::atomic<std::uint64_t>, kDurationBuckets> by_duration_{};
  std::atomic<std::uint64_t> nanoseconds_{0};
};

class StageCounts {
 public:
  using Totals = std::array<DurationTotals, kCallStages>;

  void count(CallStage stage, std::chrono::nanoseconds took) noexcept {
    stages_[static_cast<std::size_t>(stage)].count(took);
  }
  void add_to(Totals& totals) const noexcept {
    for (std::size_t i = 0; i < kCallStages; ++i) stages_[i].add_to(totals[i]);
  }

 private:
  std::array<DurationCounts, kCallStages> stages_;
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
  DurationCounts durations_;
};

class CallCounts {
 public:
  MethodCounts& method(std::string_view name) { return methods_.emplace_back(name); }
  StageCounts& stages() noexcept { return stages_; }
  const StageCounts& stages() const noexcept { return stages_; }
  // Adds to the totals of the same name, or appends them.
  void add_to(std::vector<MethodTotals>& totals) const;

 private:
  std::deque<MethodCounts> methods_;
  StageCounts stages_;
};

}  // namespace kv
