#include "persistence/level_waiters.h"

#include <utility>

#include "core/error.h"

namespace kv {
namespace {

void raise_to(std::atomic<Revision>& value, Revision revision) noexcept {
  Revision seen = value.load();
  while (seen < revision && !value.compare_exchange_weak(seen, revision)) {
  }
}

absl::Status left() { return absl::CancelledError("nobody waits for the level any more"); }

}  // namespace

void LevelWaiters::begin(Revision os, Revision durable) noexcept {
  os_ = os;
  durable_ = durable;
}

bool LevelWaiters::reached(Revision revision, Level level) const noexcept {
  if (level == Level::kMemory) return true;
  return revision <= (level == Level::kOs ? os_ : durable_).load(std::memory_order_acquire);
}

void LevelWaiters::raise_os(Revision revision) { raise(os_, waiting_os_, revision); }
void LevelWaiters::raise_durable(Revision revision) { raise(durable_, waiting_durable_, revision); }

void LevelWaiters::raise(std::atomic<Revision>& watermark, CompletionList& waiting, Revision revision) {
  raise_to(watermark, revision);
  WakeLists woken;
  {
    std::lock_guard lock(mutex_);
    CompletionList all = std::exchange(waiting, {});
    while (Completion* completion = all.pop()) {
      auto& wait = static_cast<LevelWait&>(*completion);
      if (wait.revision_ <= watermark.load()) {
        woken.push(wait.home_, wait);
      } else {
        waiting.push(wait);
      }
    }
    if (blocked_threads_ != 0) changed_.notify_all();
  }
  woken.post();
}

bool LevelWaiters::join(LevelWait& wait) noexcept {
  if (wait.level_ == Level::kDisk) raise_to(durable_wanted_, wait.revision_);
  std::lock_guard lock(mutex_);
  if (reached(wait.revision_, wait.level_)) return false;
  if (closed_ != Closed::kNo) {
    wait.result_ = answer_when_closed(wait.who_);
    return false;
  }
  if (wait.leaving_) {
    wait.result_ = left();
    return false;
  }
  (wait.level_ == Level::kOs ? waiting_os_ : waiting_durable_).push(wait);
  return true;
}

void LevelWaiters::leave(LevelWait& wait) noexcept {
  WakeLists woken;
  {
    std::lock_guard lock(mutex_);
    wait.leaving_ = true;
    if (!waiting_os_.remove(wait) && !waiting_durable_.remove(wait)) return;
    wait.result_ = left();
    woken.push(wait.home_, wait);
  }
  woken.post();
}

void LevelWaiters::want_durable(Revision revision) noexcept { raise_to(durable_wanted_, revision); }

absl::Status LevelWaiters::block_until_durable(Revision revision) {
  std::unique_lock lock(mutex_);
  ++blocked_threads_;
  changed_.wait(lock, [&] { return durable_ >= revision || closed_ == Closed::kFailed; });
  --blocked_threads_;
  if (durable_ >= revision) return absl::OkStatus();
  return error(Reason::kWritesSuspended, "the log has failed");
}

absl::Status LevelWaiters::answer_when_closed(LevelWait::Who who) const {
  if (who == LevelWait::Who::kWriter) {
    return error(Reason::kOutcomeUnknown, closed_ == Closed::kFailed
                                              ? "applied, but the log failed before the write was safe"
                                              : "applied, but the server stops before the write is known to be safe");
  }
  if (closed_ == Closed::kFailed) {
    return error(Reason::kNotDurable, "the answer would show a write that the failed log may not hold");
  }
  return error(Reason::kShuttingDown, "the server stops before the answer is safe to give");
}

void LevelWaiters::close(Closed why) {
  WakeLists woken;
  {
    std::lock_guard lock(mutex_);
    if (closed_ == Closed::kNo || why == Closed::kFailed) closed_ = why;
    CompletionList all = std::move(waiting_os_);
    all.append(std::move(waiting_durable_));
    while (Completion* completion = all.pop()) {
      auto& wait = static_cast<LevelWait&>(*completion);
      wait.result_ = answer_when_closed(wait.who_);
      woken.push(wait.home_, wait);
    }
    changed_.notify_all();
  }
  woken.post();
}

void LevelWaiters::fail() { close(Closed::kFailed); }
void LevelWaiters::abandon() { close(Closed::kAbandoned); }

}  // namespace kv
