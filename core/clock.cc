#include "core/clock.h"

namespace kv {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

UnixMillis wall_time() noexcept {
  return duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void raise(std::atomic<UnixMillis>& value, UnixMillis floor) noexcept {
  UnixMillis seen = value.load(std::memory_order_relaxed);
  while (seen < floor && !value.compare_exchange_weak(seen, floor, std::memory_order_relaxed)) {
  }
}

}  // namespace

SystemClock::SystemClock() noexcept : start_(std::chrono::steady_clock::now()), wall_at_start_(wall_time()) {}

UnixMillis SystemClock::now() const noexcept {
  const auto since_start = duration_cast<milliseconds>(monotonic() - start_).count();
  raise(wall_at_start_, wall_time() - since_start);
  return wall_at_start_.load(std::memory_order_relaxed) + since_start;
}

void SystemClock::start_no_lower_than(UnixMillis floor) noexcept {
  const auto since_start = duration_cast<milliseconds>(monotonic() - start_).count();
  raise(wall_at_start_, floor - since_start);
}

}  // namespace kv
