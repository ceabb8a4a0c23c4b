// How long an awaitable has made its coroutine wait. The clock is read only by one that really waits.
//
// Threads: as the awaitable it lies in: begin() before anybody can resume the coroutine, end() when it is resumed.
#pragma once

#include <chrono>
#include <utility>

#include "core/clock.h"

namespace kv {

class WaitTime {
 public:
  void begin() noexcept { since_ = std::chrono::steady_clock::now(); }
  // It need not wait after all.
  void none() noexcept { since_ = MonotonicTime(); }
  // Without a begin() before it, nothing.
  void end() noexcept {
    if (since_ != MonotonicTime()) time_ += std::chrono::steady_clock::now() - std::exchange(since_, MonotonicTime());
  }
  std::chrono::nanoseconds time() const noexcept { return time_; }

 private:
  MonotonicTime since_;
  std::chrono::nanoseconds time_{0};
};

}  // namespace kv
