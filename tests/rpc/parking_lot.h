// Where handlers of the tests wait: a foreign thread, as the journal is one, lets them go on.
// Threads: all of it from any thread.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "core/completion.h"
#include "core/task.h"

namespace kv {

class ParkingLot {
 public:
  // Awaitable; resumes on `home`. After abandon() nobody parks any more, but everybody still comes by way of home.
  auto park(Scheduler& home) {
    return OnCompletion([this, &home](Completion& parked) { enter(home, parked); });
  }

  // Lets everybody go who is here; gives how many that were.
  std::size_t release() {
    std::vector<Parked> leaving;
    {
      const std::lock_guard lock(mutex_);
      leaving.swap(parked_);
    }
    for (const Parked& one : leaving) one.home->post(*one.completion);
    return leaving.size();
  }

  void abandon() {
    {
      const std::lock_guard lock(mutex_);
      abandoned_ = true;
    }
    changed_.notify_all();
    release();
  }

  // False when the lot was abandoned meanwhile.
  bool wait_for_parked(std::size_t calls) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return abandoned_ || parked_.size() >= calls; });
    return !abandoned_;
  }

 private:
  struct Parked {
    Scheduler* home;
    Completion* completion;
  };

  void enter(Scheduler& home, Completion& completion) {
    {
      const std::lock_guard lock(mutex_);
      if (!abandoned_) {
        parked_.push_back({&home, &completion});
        changed_.notify_all();  // under the lock: the waiter may end the lot as soon as it is free
        return;
      }
    }
    home.post(completion);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Parked> parked_;  // guarded by mutex_
  bool abandoned_ = false;      // guarded by mutex_
};

}  // namespace kv
