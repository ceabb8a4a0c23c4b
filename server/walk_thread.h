// The thread on which walks through the store take their turns.
//
// Why not the reactors: one that posts to itself never looks at its sockets, because the library hands out what is
// queued before it polls. A walk that took its turns there would hold up every call of its queue until its end. Here it
// costs them what the machine's cores cost, and one walk after the other gets a turn.
//
// Threads:  post() from any thread.
// Lifetime: outlives every walk. The destructor runs what was posted, then joins.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/status/statusor.h"
#include "core/completion.h"
#include "core/task.h"
#include "store/walk.h"

namespace kv {

class Caller;

// Awaitable: goes on on a thread of `where`.
inline auto resume_on(Scheduler& where) {
  return OnCompletion([&where](Completion& there) { where.post(there); });
}

class WalkThread final : public Scheduler {
 public:
  WalkThread();
  ~WalkThread();
  WalkThread(const WalkThread&) = delete;
  WalkThread& operator=(const WalkThread&) = delete;

  using Scheduler::post;
  void post(CompletionList list) noexcept override;

  // Awaitable: goes on on this thread, behind whoever waits for a turn.
  auto turn() { return resume_on(*this); }

  // Walks until `show` refuses an entry, the end, the walk is spent, or `patience` is over (kGoOn). From this thread,
  // and resumes on it. An error when the caller wants no more, or when memory ran out.
  Task<absl::StatusOr<StoreWalk::Step>> walk_on(StoreWalk& walk, const StoreWalk::Show& show, Caller& caller,
                                                std::chrono::milliseconds patience);
  // Takes from the walk what it holds. From this thread, and resumes on it.
  Task<bool> let_go(StoreWalk& walk);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  CompletionList posted_;  // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace kv
