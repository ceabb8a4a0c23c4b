// Time, as the rest of the project may know it.
//
// Expiry needs a clock that never goes back, and people set wall clocks back. So `now()` is the wall time at start plus
// the monotonic time since, and follows forward steps of the wall clock only. After a restart it starts no lower than
// the last value the log or a snapshot has seen (start_no_lower_than).
//
// Threads: all calls from any thread.
// Units:   UnixMillis are milliseconds since 1970-01-01 UTC; MonotonicTime is for durations only.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace kv {

using UnixMillis = std::int64_t;
using MonotonicTime = std::chrono::steady_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixMillis now() const noexcept = 0;
  virtual MonotonicTime monotonic() const noexcept = 0;
  virtual void start_no_lower_than(UnixMillis floor) noexcept = 0;
};

class SystemClock final : public Clock {
 public:
  SystemClock() noexcept;
  UnixMillis now() const noexcept override;
  MonotonicTime monotonic() const noexcept override { return std::chrono::steady_clock::now(); }
  void start_no_lower_than(UnixMillis floor) noexcept override;

 private:
  const MonotonicTime start_;
  // Wall time that belongs to start_; only ever raised.
  mutable std::atomic<UnixMillis> wall_at_start_;
};

}  // namespace kv
