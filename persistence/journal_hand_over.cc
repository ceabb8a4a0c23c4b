// When what is queued goes to the strand: at once, or with the end of a poller's bunch of events.
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
  return !std::exchange(strand_awake_, true);
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
