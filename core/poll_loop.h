// The loop of a thread that polls a completion queue, and what such a thread puts off until no event is there any more.
//
// Why: under load events come in bunches, and each is a reason to send something. What is handed over piece by piece
// costs a system call each; what is handed over when the bunch is done leaves in one. So whoever has something to send
// defers it, and finds out then how much there is.
//
// Hard part: it must not wait for long. A loop with something deferred never blocks: it takes what is there, and at
// most kEventsMax of it.
//
// Threads:  run() is a thread's whole work; defer() concerns the calling thread alone.
// Lifetime: what is deferred stays until it is completed, which is before run() returns.
#pragma once

#include <chrono>

#include "core/completion.h"

namespace kv {

class PollLoop {
 public:
  static constexpr int kEventsMax = 128;

  // Until the queue is shut down and empty. A grpc::CompletionQueue whose tags are all Completions.
  template <class Queue>
  static void run(Queue& queue) noexcept {
    PollLoop loop;
    void* tag = nullptr;
    bool ok = false;
    for (;;) {
      if (!loop.next(queue, &tag, &ok)) break;
      static_cast<Completion*>(tag)->complete(ok);
      loop.count_event();
    }
    loop.run_deferred();
  }

  // complete(true) of it, once, on this thread and soon. False: this thread is in no run(), and nothing will happen.
  static bool defer(Completion& later) noexcept;

 private:
  PollLoop() noexcept;
  ~PollLoop();
  PollLoop(const PollLoop&) = delete;
  PollLoop& operator=(const PollLoop&) = delete;

  template <class Queue>
  bool next(Queue& queue, void** tag, bool* ok) noexcept {
    while (!deferred_.empty()) {
      const auto found = queue.AsyncNext(tag, ok, std::chrono::system_clock::time_point());
      if (found == Queue::GOT_EVENT) return true;
      run_deferred();
    }
    return queue.Next(tag, ok);
  }
  void count_event() noexcept {
    if (!deferred_.empty() && ++events_ >= kEventsMax) run_deferred();
  }
  void run_deferred() noexcept;

  CompletionList deferred_;
  int events_ = 0;  // since something was deferred
};

}  // namespace kv
