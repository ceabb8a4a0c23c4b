// Counts the coroutines that serve calls, so that a stop knows when the last one has ended.
//
// Hard part: a queue may be shut down only when nobody can use it any more. That is every parked call, and also every
// coroutine that still listens for one: the library may already have given it a call, as an event that no poller has
// taken yet, and returns from its own stop without waiting for it. So coroutines are counted from before they listen
// until their last event was delivered.
//
// Threads:  all of it from any thread.
// Errors:   enter() refuses above the bound (OVERLOADED): a flood of parked calls must not eat the memory.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace kv {

class Gate {
 public:
  // One coroutine: it listens, may enter when it was given a call, and leaves when it ends.
  class Visit {
   public:
    explicit Visit(Gate& gate) noexcept : gate_(gate) { gate_.listen(); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit() { gate_.leave(entered_); }

    // Once. False when there are more calls than the bound allows: this one is to be refused.
    bool enter() noexcept {
      entered_ = true;
      return gate_.enter();
    }

   private:
    Gate& gate_;
    bool entered_ = false;
  };

  explicit Gate(std::size_t calls_max) : calls_max_(calls_max) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  std::size_t calls() const noexcept {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

  // True when nobody listens and nobody is inside, false when somebody still is at `deadline`. Only a server that stops
  // gets there: as long as it runs somebody listens.
  bool wait_empty_until(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    return empty_.wait_until(lock, deadline, [this] { return empty(); });
  }
  void wait_empty() {
    std::unique_lock lock(mutex_);
    empty_.wait(lock, [this] { return empty(); });
  }

 private:
  void listen() noexcept {
    const std::lock_guard lock(mutex_);
    ++listening_;
  }
  bool enter() noexcept {
    const std::lock_guard lock(mutex_);
    --listening_;
    return ++calls_ <= calls_max_;
  }
  void leave(bool entered) noexcept {
    const std::lock_guard lock(mutex_);
    --(entered ? calls_ : listening_);
    if (empty()) empty_.notify_all();
  }
  bool empty() const noexcept { return listening_ == 0 && calls_ == 0; }  // mutex_ held

  mutable std::mutex mutex_;
  std::condition_variable empty_;
  const std::size_t calls_max_;
  std::size_t listening_ = 0;  // guarded by mutex_
  std::size_t calls_ = 0;      // guarded by mutex_
};

}  // namespace kv
