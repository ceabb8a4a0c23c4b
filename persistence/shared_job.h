// One job for all who ask for it before it begins: ten requests for a snapshot that wait for their turn are one.
//
// Threads:  all calls from any thread; `done` of each who asked is called where run() is.
// Lifetime: outlives the job that was posted.
#pragma once

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace kv {

template <class Result>
class SharedJob {
 public:
  using Done = std::function<void(Result)>;

  // True: nobody has asked yet, so the caller sees to it that run() will be called. `done` may be empty.
  bool join(Done done) {
    std::lock_guard lock(mutex_);
    if (done) waiting_.push_back(std::move(done));
    return !std::exchange(asked_, true);
  }

  template <class Work>
  void run(Work&& work) {
    std::vector<Done> served;
    {
      std::lock_guard lock(mutex_);
      served = std::exchange(waiting_, {});
      asked_ = false;
    }
    const Result result = work();
    for (const Done& done : served) done(result);
  }

 private:
  std::mutex mutex_;
  std::vector<Done> waiting_;  // guarded
  bool asked_ = false;         // guarded; run() will be called
};

}  // namespace kv
