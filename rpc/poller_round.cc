#include "rpc/poller_round.h"

#include <grpc/support/time.h>

namespace kv {

PollerRound::PollerRound(unsigned pollers) : missing_(pollers), inside_(pollers) {
  for (unsigned i = 0; i < pollers; ++i) events_.emplace_back(*this);
}

void PollerRound::begin(grpc::CompletionQueue& queue) {
  for (Event& event : events_) {
    event.alarm.Set(&queue, gpr_time_0(GPR_CLOCK_MONOTONIC), static_cast<Completion*>(&event));
  }
}

void PollerRound::meet() noexcept {
  std::unique_lock lock(mutex_);
  --missing_;
  if (missing_ == 0) changed_.notify_all();
  changed_.wait(lock, [this] { return missing_ == 0; });
  --inside_;
  if (inside_ == 0) changed_.notify_all();  // under the lock: the waiter may end the round as soon as it is free
}

void PollerRound::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return inside_ == 0; });
}

}  // namespace kv
