// Who waits for a watermark to pass a revision; and the watermarks themselves.
//
// Hard part: a waiter that registers while a watermark moves must not be forgotten. Watermarks are raised first and the
// lists searched after; a waiter looks once more under the lock before it joins a list.
//
// Threads: all calls from any thread.
// Errors:  after fail() and after abandon() nobody waits: they are answered at once.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "absl/status/status.h"
#include "core/completion.h"
#include "persistence/journal.h"
#include "persistence/wake_lists.h"

namespace kv {

class LevelWaiters {
 public:
  // Where the watermarks begin. While nobody waits.
  void begin(Revision os, Revision durable) noexcept;
  Revision os() const noexcept { return os_.load(); }
  Revision durable() const noexcept { return durable_.load(); }
  // The highest revision that anybody waited for to be durable.
  Revision durable_wanted() const noexcept { return durable_wanted_.load(); }

  void raise_os(Revision revision);
  void raise_durable(Revision revision);

  bool reached(Revision revision, Level level) const noexcept;
  // False: no need to wait, wait.result_ is set.
  bool join(LevelWait& wait) noexcept;
  // Wakes it, or keeps it from joining.
  void leave(LevelWait& wait) noexcept;

  void want_durable(Revision revision) noexcept;
  // Blocks the calling thread until durable or failed.
  absl::Status block_until_durable(Revision revision);

  void fail();
  void abandon();

 private:
  // Why nobody may wait any more.
  enum class Closed { kNo, kFailed, kAbandoned };

  absl::Status answer_when_closed(LevelWait::Who who) const;
  void raise(std::atomic<Revision>& watermark, CompletionList& waiting, Revision revision);
  void close(Closed why);

  std::atomic<Revision> os_{0};
  std::atomic<Revision> durable_{0};
  std::atomic<Revision> durable_wanted_{0};

  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  unsigned blocked_threads_ = 0;
  CompletionList waiting_os_;
  CompletionList waiting_durable_;
  Closed closed_ = Closed::kNo;
};

}  // namespace kv
