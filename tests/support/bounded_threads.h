// Threads that are expected to end: join() waits for all of them, but not for ever.
//
// Hard part: a thread that hangs cannot be stopped, and nothing it uses may be taken from under it. So when the bound
// is over the program says what hung and aborts, which Catch2 reports as a failure of the case.
//
// Threads:  one, that of the test. Lifetime: the destructor joins with the bound.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace kv {

class BoundedThreads {
 public:
  // Far above what any test takes, with a sanitizer too.
  explicit BoundedThreads(std::string what, std::chrono::seconds bound = std::chrono::seconds(60))
      : what_(std::move(what)), bound_(bound) {}
  ~BoundedThreads() { join(); }
  BoundedThreads(const BoundedThreads&) = delete;
  BoundedThreads& operator=(const BoundedThreads&) = delete;

  template <class Work>
  void start(Work work) {
    {
      const std::lock_guard lock(mutex_);
      ++running_;
    }
    threads_.emplace_back([this, work = std::move(work)] {
      work();
      const std::lock_guard lock(mutex_);
      --running_;
      ended_.notify_one();
    });
  }

  void join() {
    std::unique_lock lock(mutex_);
    if (!ended_.wait_for(lock, bound_, [this] { return running_ == 0; })) {
      std::fprintf(stderr, "%d of %zu threads still run after %lld s: %s\n", running_, threads_.size(),
                   static_cast<long long>(bound_.count()), what_.c_str());
      std::abort();
    }
    lock.unlock();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  const std::string what_;
  const std::chrono::seconds bound_;
  std::mutex mutex_;
  std::condition_variable ended_;
  int running_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace kv
