#include "persistence/job_thread.h"

namespace kv {

bool JobThread::post(std::function<void()> job) {
  std::lock_guard lock(mutex_);
  if (finishing_) return false;
  jobs_.push_back(std::move(job));
  changed_.notify_one();
  return true;
}

bool JobThread::busy() const {
  std::lock_guard lock(mutex_);
  return running_ || !jobs_.empty();
}

void JobThread::finish() {
  {
    std::lock_guard lock(mutex_);
    finishing_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void JobThread::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return finishing_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    running_ = true;
    lock.unlock();
    job();
    lock.lock();
    running_ = false;
  }
}

}  // namespace kv
