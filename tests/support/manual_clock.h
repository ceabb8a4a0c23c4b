// A clock that moves only when the test says so.
// Threads: all calls from any thread.
#pragma once

#include <atomic>

#include "core/clock.h"

namespace kv {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(UnixMillis start = 1'700'000'000'000) : now_(start) {}

  UnixMillis now() const noexcept override { return now_.load(); }
  MonotonicTime monotonic() const noexcept override { return MonotonicTime(std::chrono::milliseconds(now_.load())); }
  void start_no_lower_than(UnixMillis floor) noexcept override {
    if (floor > now_.load()) now_.store(floor);
  }
  void advance(std::chrono::milliseconds by) noexcept { now_ += by.count(); }

 private:
  std::atomic<UnixMillis> now_;
};

}  // namespace kv
