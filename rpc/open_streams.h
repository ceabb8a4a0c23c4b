// The streams of one reactor that are open, so that a stop can reach them: a unary call ends by itself, a stream need
// not.
//
// Hard part: a stream whose peer does not read is inside the library and hears nothing; only cancelling it ends it.
// That must not meet a stream that is just ending, so both happen under one lock.
//
// Threads:  all of it from any thread.
// Lifetime: a stream is here from enter() until its coroutine ends.
#pragma once

#include <atomic>
#include <mutex>
#include <set>

namespace kv {

class StreamCall;

class OpenStreams {
 public:
  void add(StreamCall& stream);
  void remove(StreamCall& stream) noexcept;

  // The server stops: every stream, and each that is still to come, is to end at the next message it would send.
  void stop() noexcept;
  bool stopping() const noexcept { return stopping_.load(); }
  // Cancels the streams that wait for their peer to read.
  void cut_off_stuck() noexcept;

 private:
  std::mutex mutex_;
  std::set<StreamCall*> streams_;  // guarded by mutex_
  std::atomic<bool> stopping_{false};
};

}  // namespace kv
