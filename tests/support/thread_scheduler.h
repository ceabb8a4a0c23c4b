// A scheduler with one thread of its own: what a reactor is to the journal, in tests.
// Lifetime: the destructor runs what was posted, then joins.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/completion.h"

namespace kv {

class ThreadScheduler final : public Scheduler {
 public:
  ThreadScheduler() : thread_([this] { run(); }) {}
  ~ThreadScheduler();

  using Scheduler::post;
  void post(CompletionList list) noexcept override;

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  CompletionList posted_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kv
