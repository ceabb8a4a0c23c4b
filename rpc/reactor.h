// A completion queue and the threads that poll it: where calls are accepted, handled and resumed.
//
// Every tag of the queue is a Completion, so the loop knows nothing about calls. Other threads resume a call by posting
// its Completion here; one alarm wakes the queue for a whole list.
//
// Hard part: the end. Setting an alarm on a queue that was shut down aborts the process, and so does listening for a
// call on it. Hence the alarm is set under the same lock as the flag that says whether the queue is still open, and
// only when the list turns non-empty and the last firing was consumed.
//
// Threads:  post() from any thread; the round and stop() from one thread that is no poller. Completions run on the
//           pollers; with one poller (the default) one at a time.
// Lifetime: outlives every call it accepted. What is posted after stop() runs in the destructor.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include "core/completion.h"
#include "rpc/call_counts.h"
#include "rpc/call_terms.h"
#include "rpc/gate.h"
#include "rpc/open_streams.h"
#include "rpc/poller_round.h"
#include "rpc/slow_calls.h"

namespace kv {

// Processor time that the pollers of a queue have used, and how many they are.
struct PollerTime {
  std::chrono::nanoseconds cpu{0};
  unsigned pollers = 0;
};

class Reactor final : public Scheduler {
 public:
  struct Bounds {
    unsigned posted_calls_per_method = 8;
    std::size_t calls_max = 65536;
  };

  // `terms` are those of all reactors of a server.
  Reactor(std::unique_ptr<grpc::ServerCompletionQueue> queue, Bounds bounds, CallTerms& terms);
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  ~Reactor();

  void start(unsigned threads);
  // Between the two every poller has come out of the library at least once. After start(), before stop(), once.
  void begin_round() { round_->begin(*queue_); }
  void wait_for_round() { round_->wait(); }
  // Closes the queue, runs what is left on it, joins the pollers. Before: nobody listens for calls and the gate is
  // empty. The second call does nothing.
  void stop() noexcept;

  // Between start() and stop().
  PollerTime poller_time() const;

  using Scheduler::post;
  void post(CompletionList list) noexcept override;

  grpc::ServerCompletionQueue* queue() noexcept { return queue_.get(); }
  Gate& gate() noexcept { return gate_; }
  ByteBudget& bytes() noexcept { return terms_.bytes; }
  std::size_t message_bytes_max() const noexcept { return terms_.message_bytes_max; }
  std::chrono::milliseconds default_deadline() const noexcept {
    return terms_.default_deadline.load(std::memory_order_relaxed);
  }
  CallCounts& counts() noexcept { return counts_; }
  // Null: nobody wants to know. Set before start().
  void tell_slow_calls_to(SlowCalls* slow_calls) noexcept { slow_calls_ = slow_calls; }
  SlowCalls* slow_calls() const noexcept { return slow_calls_; }
  OpenStreams& streams() noexcept { return streams_; }
  unsigned posted_calls_per_method() const noexcept { return bounds_.posted_calls_per_method; }

 private:
  struct Wake final : Completion {
    explicit Wake(Reactor& reactor) : reactor(reactor) {}
    void complete(bool) noexcept override { reactor.run_posted(); }
    Reactor& reactor;
  };

  void poll() noexcept;
  void run_posted() noexcept;
  CompletionList take_posted() noexcept;

  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  const Bounds bounds_;
  CallTerms& terms_;
  Gate gate_;
  CallCounts counts_;
  SlowCalls* slow_calls_ = nullptr;
  OpenStreams streams_;
  Wake wake_{*this};

  std::mutex mutex_;
  CompletionList posted_;  // guarded by mutex_
  grpc::Alarm alarm_;      // guarded by mutex_
  bool wake_set_ = false;  // guarded by mutex_
  bool open_ = true;       // guarded by mutex_

  std::optional<PollerRound> round_;
  std::vector<std::thread> pollers_;
  bool stopped_ = false;
};

}  // namespace kv
