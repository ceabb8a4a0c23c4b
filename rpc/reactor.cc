#include "rpc/reactor.h"

#include <utility>

#include <grpc/support/time.h>
#include <pthread.h>
#include <time.h>

#include "core/poll_loop.h"

namespace kv {

Reactor::Reactor(std::unique_ptr<grpc::ServerCompletionQueue> queue, Bounds bounds, CallTerms& terms)
    : queue_(std::move(queue)), bounds_(bounds), terms_(terms), gate_(bounds.calls_max) {}

Reactor::~Reactor() {
  stop();
  run_posted();
}

void Reactor::start(unsigned threads) {
  round_.emplace(threads);
  for (unsigned i = 0; i < threads; ++i) {
    pollers_.emplace_back([this] { poll(); });
    pthread_setname_np(pollers_.back().native_handle(), "reactor");
  }
}

PollerTime Reactor::poller_time() const {
  PollerTime time;
  time.pollers = static_cast<unsigned>(pollers_.size());
  for (const std::thread& poller : pollers_) {
    clockid_t clock = {};
    timespec used = {};
    if (pthread_getcpuclockid(const_cast<std::thread&>(poller).native_handle(), &clock) != 0) continue;
    if (clock_gettime(clock, &used) != 0) continue;
    time.cpu += std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
  }
  return time;
}

void Reactor::poll() noexcept { PollLoop::run(*queue_); }

void Reactor::post(CompletionList list) noexcept {
  if (list.empty()) return;
  const std::lock_guard lock(mutex_);
  posted_.append(std::move(list));
  if (wake_set_ || !open_) return;
  wake_set_ = true;
  alarm_.Set(queue_.get(), gpr_time_0(GPR_CLOCK_MONOTONIC), static_cast<Completion*>(&wake_));
}

CompletionList Reactor::take_posted() noexcept {
  const std::lock_guard lock(mutex_);
  wake_set_ = false;
  return std::move(posted_);
}

void Reactor::run_posted() noexcept {
  CompletionList list = take_posted();
  while (Completion* completion = list.pop()) completion->complete(true);
}

void Reactor::stop() noexcept {
  if (std::exchange(stopped_, true)) return;
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  queue_->Shutdown();
  if (pollers_.empty()) poll();
  for (std::thread& poller : pollers_) poller.join();
  run_posted();
}

}  // namespace kv
