#include "server/walk_thread.h"

#include <new>

#include <pthread.h>

#include "core/error.h"
#include "server/engine.h"

namespace kv {
namespace {

// Then the next walk has its turn, and before it whoever wants this processor (docs/decisions.md).
constexpr std::chrono::microseconds kTurn{50};

// A step, or nothing when there was no memory for it.
std::optional<StoreWalk::Step> try_step(StoreWalk& walk, const StoreWalk::Show& show) {
  try {
    return walk.step(show);
  } catch (const std::bad_alloc&) {
    return std::nullopt;
  }
}

}  // namespace

WalkThread::WalkThread() : thread_([this] { run(); }) { pthread_setname_np(thread_.native_handle(), "walks"); }

WalkThread::~WalkThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void WalkThread::post(CompletionList list) noexcept {
  const std::lock_guard lock(mutex_);
  posted_.append(std::move(list));
  changed_.notify_one();
}

void WalkThread::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !posted_.empty(); });
    if (posted_.empty()) return;
    CompletionList list = std::move(posted_);
    lock.unlock();
    while (Completion* completion = list.pop()) {
      completion->complete(true);
      // No shard is locked here. Where more threads than cores want to run, a walk that went on would keep calls
      // waiting until the end of its slice, milliseconds later.
      std::this_thread::yield();
    }
    lock.lock();
  }
}

Task<absl::StatusOr<StoreWalk::Step>> WalkThread::walk_on(StoreWalk& walk, const StoreWalk::Show& show, Caller& caller,
                                                          std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + patience;
  auto turn_end = Clock::now() + kTurn;
  while (true) {
    const std::optional<StoreWalk::Step> step = try_step(walk, show);
    if (!step) co_return error(Reason::kMemoryLimit, "no memory to walk through the keys; nothing was changed");
    const auto now = Clock::now();
    if (*step != StoreWalk::Step::kGoOn || now >= end) co_return *step;
    if (now < turn_end) continue;
    co_await turn();
    if (const absl::Status wanted = caller.still_wanted(); !wanted.ok()) co_return wanted;
    turn_end = Clock::now() + kTurn;
  }
}

Task<bool> WalkThread::let_go(StoreWalk& walk) {
  while (!walk.let_go()) co_await turn();
  co_return true;
}

}  // namespace kv
