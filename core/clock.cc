#include "core/clock.h"

namespace kv {
namespace {

using std::chrono::floor;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

nanoseconds wall_time() noexcept { return std::chrono::system_clock::now().time_since_epoch(); }

// Where both clocks begin a millisecond, so that what is lost by rounding both is next to nothing.
MonotonicTime start_of_millisecond() noexcept {
  const nanoseconds wall = wall_time();
  return std::chrono::steady_clock::now() - (wall - floor<milliseconds>(wall));
}

void raise(std::atomic<UnixMillis>& value, UnixMillis floor) noexcept {
  UnixMillis seen = value.load(std::memory_order_relaxed);
  while (seen < floor && !value.compare_exchange_weak(seen, floor, std::memory_order_relaxed)) {
  }
}

}  // namespace

SystemClock::SystemClock() noexcept : start_(start_of_millisecond()), wall_at_start_(0) {
  static_cast<void>(SystemClock::now());
}

// Never ahead of the wall clock, or a key would expire early. Hence the wall is read first: time that passes between
// the two readings makes its start seem earlier, never later. And hence only their difference is rounded, downwards:
// that of two rounded times is up to a millisecond too large, and the largest would stay.
UnixMillis SystemClock::now() const noexcept {
  const nanoseconds wall = wall_time();
  const nanoseconds since_start = monotonic() - start_;
  raise(wall_at_start_, floor<milliseconds>(wall - since_start).count());
  return wall_at_start_.load(std::memory_order_relaxed) + floor<milliseconds>(since_start).count();
}

void SystemClock::start_no_lower_than(UnixMillis lowest) noexcept {
  raise(wall_at_start_, lowest - floor<milliseconds>(monotonic() - start_).count());
}

}  // namespace kv
