// What `search` looks for: "p99=2ms,errors=0".
//
// Threads: plain data. Errors: INVALID_ARGUMENT saying how a goal is written.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/measurement.h"

namespace kv {

struct Goal {
  struct Latency {
    std::string name;  // p99.9
    double fraction = 0;
    std::chrono::milliseconds most{};
  };
  std::vector<Latency> latencies;
  std::optional<std::uint64_t> errors;  // at most; none: 1 % of what was answered
};

absl::StatusOr<Goal> parse_goal(std::string_view text);

// What the run misses, in words; nothing: it meets the goal. A saturated run misses every goal, and so does
// one of which nothing was answered well.
std::optional<std::string> missed(const Goal& goal, const Measurement& run);

// Where to look next for the highest rate that is good: up in doublings from `from` until one is bad, then between the
// two, until they are near enough.
class RateSearch {
 public:
  static constexpr double kNear = 1.05;

  RateSearch(double from, double to) : next_(from), most_(to) {}

  // None: the search is over.
  std::optional<double> next() const { return over_ ? std::nullopt : std::optional(next_); }
  void tried(bool good);
  // None: not even the first was good.
  std::optional<double> best() const { return good_; }

 private:
  double next_;
  const double most_;
  std::optional<double> good_;
  std::optional<double> bad_;
  bool over_ = false;
};

}  // namespace kv
