// When operations are meant to begin: an open loop's schedule, which knows nothing of how the server fares.
//
// Threads: one. Units: times are offsets from the beginning of the schedule.
#pragma once

#include <chrono>
#include <cmath>

#include "bench/random.h"

namespace kv {

enum class Arrivals {
  kPoisson,  // as independent callers come: gaps are exponential
  kUniform,  // one gap is like the other
};

class Schedule {
 public:
  // `rate`: of arrivals in a second, above zero. Several uniform schedules of one rate begin at different `phase`, a
  // share of a gap.
  Schedule(Arrivals arrivals, double rate, std::uint64_t seed, double phase = 0)
      : arrivals_(arrivals), gap_(1e9 / rate), random_(seed), at_(phase * gap_) {}

  std::chrono::nanoseconds next() {
    if (arrivals_ == Arrivals::kPoisson) {
      at_ += -std::log(1 - random_.unit()) * gap_;
      return std::chrono::nanoseconds(std::llround(at_));
    }
    const double now = at_;
    at_ += gap_;
    return std::chrono::nanoseconds(std::llround(now));
  }

 private:
  const Arrivals arrivals_;
  const double gap_;  // nanoseconds
  Random random_;
  double at_;
};

}  // namespace kv
