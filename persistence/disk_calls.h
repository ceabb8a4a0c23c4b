// The calls to a disk that have not returned yet: a disk that hangs fails nothing, and shows only here.
//
// Threads: any; a call begins and ends on one thread.
// Bounds:  kCallsMax at a time are timed, more than one owner's threads can make; one beyond them is not.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>

#include "core/clock.h"

namespace kv {

class DiskCalls {
 public:
  static constexpr std::size_t kCallsMax = 8;

  explicit DiskCalls(const Clock& clock) noexcept : clock_(clock) {}

  // Around one call, or several that are made one after the other.
  class [[nodiscard]] Timed {
   public:
    explicit Timed(DiskCalls& calls) noexcept : calls_(calls), place_(calls.begin()) {}
    ~Timed() { calls_.end(place_); }
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;

   private:
    DiskCalls& calls_;
    const std::size_t place_;
  };

  // How long the oldest has been under way; 0 when none is.
  std::chrono::nanoseconds oldest() const noexcept {
    const std::lock_guard lock(mutex_);
    std::optional<MonotonicTime> oldest;
    for (const std::optional<MonotonicTime>& begun : begun_) {
      if (begun && (!oldest || *begun < *oldest)) oldest = begun;
    }
    return oldest ? clock_.monotonic() - *oldest : std::chrono::nanoseconds(0);
  }

 private:
  std::size_t begin() noexcept {
    const std::lock_guard lock(mutex_);
    std::size_t place = 0;
    while (place < kCallsMax && begun_[place]) ++place;
    if (place < kCallsMax) begun_[place] = clock_.monotonic();
    return place;
  }
  void end(std::size_t place) noexcept {
    const std::lock_guard lock(mutex_);
    if (place < kCallsMax) begun_[place].reset();
  }

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::array<std::optional<MonotonicTime>, kCallsMax> begun_;  // guarded
};

}  // namespace kv
