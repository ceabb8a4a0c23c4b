// Proves that every poller of a queue has come out of the library since the round began: what it was doing in there is
// done, and so is what it did right after it came out the last time.
//
// Hard part: events do not name their poller. The round sends as many events as there are pollers, and whoever takes
// one waits until the last one is taken, so that nobody can take two.
//
// Threads:  made before the pollers start, so that they know the events; begin() and wait() on one thread, no poller's.
// Lifetime: from begin() until wait() has returned the queue is open and polled by `pollers` threads.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include "core/completion.h"

namespace kv {

class PollerRound {
 public:
  explicit PollerRound(unsigned pollers);
  PollerRound(const PollerRound&) = delete;
  PollerRound& operator=(const PollerRound&) = delete;

  // Once.
  void begin(grpc::CompletionQueue& queue);
  void wait();

 private:
  struct Event final : Completion {
    explicit Event(PollerRound& round) : round(round) {}
    void complete(bool) noexcept override { round.meet(); }
    PollerRound& round;
    grpc::Alarm alarm;
  };

  void meet() noexcept;

  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned missing_;  // guarded by mutex_: pollers that took no event yet
  unsigned inside_;   // guarded by mutex_: events that did not end yet
  std::deque<Event> events_;
};

}  // namespace kv
