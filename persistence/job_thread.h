// One thread that does one long job after the other: snapshots, compactions and mode switches never overlap.
//
// Threads:  post() and busy() from any thread.
// Lifetime: finish() runs what was posted, then joins; the destructor as well.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace kv {

class JobThread {
 public:
  JobThread() : thread_([this] { run(); }) {}
  ~JobThread() { finish(); }

  // False after finish(): the job will not run.
  bool post(std::function<void()> job);
  // A job runs or waits.
  bool busy() const;
  void finish();

 private:
  void run();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool running_ = false;
  bool finishing_ = false;
  std::thread thread_;
};

}  // namespace kv
