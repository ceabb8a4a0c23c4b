// What all calls of one client share: its connections and their threads, the retry throttle, the bound of an answer,
// and the count of calls under way, which its end waits for.
//
// Hard part: the end. An operation begun on a queue that was shut down aborts the process, and a callback may begin a
// new call at any time. So every call enters first, none enters once the end has begun, and the queues are shut down
// when the last one has left.
//
// Threads:  any; close() from none of its own threads.
// Lifetime: outlives every call that entered.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include "client/call_options.h"
#include "client/client_queue.h"
#include "client/endpoint.h"
#include "client/retry.h"
#include "core/completion.h"

namespace kv {

class Transport {
 public:
  // The right to use the transport. Not entered: the client is closing.
  class Visit {
   public:
    explicit Visit(Transport& transport) : transport_(transport), entered_(transport.enter()) {}
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit() {
      if (entered_) transport_.leave();
    }
    bool entered() const noexcept { return entered_; }

   private:
    Transport& transport_;
    const bool entered_;
  };

  explicit Transport(const ClientOptions& options);
  ~Transport() { close(); }
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Gives up what is under way and waits until it has ended.
  void close();

  // The connections in turn.
  Endpoint& next_endpoint() noexcept {
    return *endpoints_[turn_.fetch_add(1, std::memory_order_relaxed) % endpoints_.size()];
  }
  Endpoint& endpoint(std::size_t index) noexcept { return *endpoints_[index % endpoints_.size()]; }
  RetryThrottle& throttle() noexcept { return throttle_; }
  std::stop_token closing() const noexcept { return closing_.get_token(); }
  bool on_own_thread() const noexcept;

  // The bound of an answer (client/answer_bound.h).
  bool bound_known() const noexcept { return bound_.load(std::memory_order_acquire) != 0; }
  // Completes `woken` at once with `mine` set: the caller shall find the bound out and then call bound_found(). Or
  // with `mine` as it was, when it is known, or once somebody else has found it out, or has failed to.
  void find_bound(Completion& woken, bool& mine);
  // 0: could not be found out; the next call tries again.
  void bound_found(std::size_t answer_bytes_max);
  // An answer was larger: ask again. Nothing happens when the options gave the bound.
  void doubt_bound() noexcept;

 private:
  bool enter() noexcept;
  void leave() noexcept;

  const bool bound_given_;
  std::vector<std::unique_ptr<ClientQueue>> queues_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::atomic<std::size_t> turn_{0};
  RetryThrottle throttle_;
  std::stop_source closing_;

  std::mutex mutex_;
  std::condition_variable empty_;
  std::size_t calls_ = 0;         // guarded by mutex_
  bool closed_ = false;           // guarded by mutex_
  bool finding_bound_ = false;    // guarded by mutex_
  CompletionList bound_waiters_;  // guarded by mutex_
  std::size_t bound_opened_;      // guarded by mutex_; what the connections take
  std::atomic<std::size_t> bound_;
};

}  // namespace kv
