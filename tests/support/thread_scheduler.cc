#include "tests/support/thread_scheduler.h"

namespace kv {

ThreadScheduler::~ThreadScheduler() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void ThreadScheduler::post(CompletionList list) noexcept {
  {
    std::lock_guard lock(mutex_);
    posted_.append(std::move(list));
  }
  changed_.notify_one();
}

void ThreadScheduler::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !posted_.empty(); });
    if (posted_.empty()) return;
    CompletionList list = std::move(posted_);
    lock.unlock();
    while (Completion* completion = list.pop()) completion->complete(true);
    lock.lock();
  }
}

}  // namespace kv
