// When what is queued goes to the strand: at once, or with the end of a poller's bunch of events; and when the strand
// goes on with it.
#include <utility>

#include "core/poll_loop.h"
#include "persistence/journal_core.h"

namespace kv {
namespace {

// What a poller has deferred until its bunch of events is done. A thread's own: pollers wait for nobody.
class BunchEnd final : public Completion {
 public:
  // False: not of this journal, since the thread is no poller or its bunch is another journal's.
  bool hands_over(JournalCore& core) noexcept {
    if (core_ == nullptr && PollLoop::defer(*this)) core_ = &core;
    return core_ == &core;
  }
  void complete(bool) noexcept override { std::exchange(core_, nullptr)->hand_over_now(); }

 private:
  JournalCore* core_ = nullptr;
};

thread_local BunchEnd bunch_end;

}  // namespace

bool JournalCore::bunch_hands_over() noexcept { return bunch_end.hands_over(*this); }

// Under mutex_. True: the strand sleeps and is to be woken, once the mutex is free.
bool JournalCore::hand_over() noexcept {
  handed_over_ = true;
  if (wanted_ != 0 && gathered()) gathered_.notify_one();
  return !std::exchange(strand_awake_, true);
}

bool JournalCore::take(BatchQueue::Taken& taken) noexcept {
  WakeLists woken;
  {
    std::unique_lock lock(mutex_);
    const bool late = !gather(lock);
    if (queue_.empty() || !handed_over_ || failed()) {
      if (queue_.empty()) group_.nobody_left();
      strand_awake_ = false;
      return false;
    }
    handed_over_ = false;
    taken = queue_.take();
    group_.taken(std::exchange(queued_calls_, 0), late);
    admit_waiting(woken);
  }
  woken.post();
  return true;
}

// Before a round under ALWAYS: until a sync is worth its price. False: it was not, in the time there is for that.
bool JournalCore::gather(std::unique_lock<std::mutex>& lock) noexcept {
  if (policy_ != FsyncPolicy::kAlways) return true;
  wanted_ = group_.wanted(queued_calls_);
  const bool done = wanted_ == 0 || gathered_.wait_for(lock, options_.gather_max, [this] { return gathered(); });
  wanted_ = 0;
  return done;
}

// Under mutex_. Who waits for room, for a pause or for the end is not kept waiting for others.
bool JournalCore::gathered() const noexcept {
  if (paused_ || abandoned_ || !waiting_.empty()) return true;
  return handed_over_ && (queued_calls_ >= wanted_ || queue_.queued_bytes() >= GroupSize::kBytesMax);
}

void JournalCore::hand_over_soon() noexcept {
  if (!bunch_hands_over()) hand_over_now();
}

void JournalCore::hand_over_now() noexcept {
  bool wake;
  {
    std::lock_guard lock(mutex_);
    wake = hand_over();
  }
  if (wake) strand_.wake();
}

}  // namespace kv
