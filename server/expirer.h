// Removes keys whose time has come, soon after it came. They are invisible from that moment without any help; this
// gives their memory back and puts their removal into the log.
//
// Hard part: it writes, so it may have to wait for the log like any caller; it has a thread of its own that is also the
// scheduler on which its coroutines resume. While the log refuses writes the keys stay hidden, and it tries again.
//
// Threads:  note() from any thread; start(), stop() and sweep_now() from one.
// Lifetime: the engine outlives it; stop() (or the destructor) before the journal ends.
// Units:    milliseconds. The thread looks again 5 ms after a sweep at the earliest, so a removal is at most 10 ms late
//           while the log accepts and few fall due at once; a burst is worked off in records of 128 keys.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "core/completion.h"
#include "core/task.h"
#include "server/engine.h"

namespace kv {

class Expirer final : public ExpiryListener, private Scheduler {
 public:
  explicit Expirer(Engine& engine) : engine_(engine) {}
  ~Expirer() { stop(); }

  // Before anybody is served: everything that fell due while the server was down is removed, and logged.
  absl::Status sweep_now();
  void start();
  void stop();
  // Somebody set an expiry: the thread may have to wake earlier than it planned.
  void note(UnixMillis expire_at) noexcept override;

  // How late those were removed; what fell due while the server was down counts too.
  const LatenessCounts& lateness() const noexcept { return lateness_; }
  std::uint64_t expired_total() const noexcept { return expired_total_.load(std::memory_order_relaxed); }

 private:
  void post(CompletionList list) noexcept override;
  void run();
  // Runs one sweep to its end on this thread, which meanwhile runs what is posted to it.
  absl::Status sweep();
  Detached sweep_shards(absl::Status& result, bool& done);
  std::chrono::milliseconds until_next() const noexcept;

  Engine& engine_;
  std::atomic<std::uint64_t> expired_total_{0};
  LatenessCounts lateness_;
  std::atomic<UnixMillis> planned_{0};  // when the thread will wake by itself; 0 while it works

  std::mutex mutex_;
  std::condition_variable changed_;
  CompletionList posted_;  // guarded by mutex_
  bool noted_ = false;     // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace kv
