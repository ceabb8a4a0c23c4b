// One call as its handler sees it: where it came from, whether it is still wanted, what it carries beside the message.
//
// Hard part: a deadline may pass and a peer may leave while the call waits in the queue or in the handler. Until a
// change is applied such a call must be dropped; afterwards it must not. So a handler asks still_wanted() right before
// it applies. The peer's leaving is known from an event of the queue that the library makes for every call anyway:
// being told costs no more than the event's way through the loop.
//
// A caller that sets no deadline gets the server's own, where it has one. The library knows nothing of that one: so a
// call that waits is answered by a timer of ours, and what its handler says later is not heard. Handler and timer may
// come at the same moment: whoever claims the answer first sends it.
//
// Threads:  as the coroutine it belongs to; cancellation may be seen by another poller of the same queue.
// Lifetime: from acceptance until the answer was handed over; a handler's coroutine may hold it while it runs.
#pragma once

#include <atomic>
#include <chrono>
#include <coroutine>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <grpcpp/alarm.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"
#include "core/task.h"
#include "rpc/reactor.h"

namespace kv {

// Whether a call is taken on when the server holds as many bytes as it may. Those that say how the server is are,
// unless their message is compressed.
enum class WhenFull { kRefuse, kServe };

// Wants to know that a call is over although nobody has answered it: its peer has left, or its deadline has passed.
class CallWatcher {
 public:
  // At most once, on a poller. Short, and never ends the call's coroutine inside.
  virtual void call_over() noexcept = 0;

 protected:
  ~CallWatcher() = default;
};

class Call {
 public:
  // Where the handler's coroutine resumes, and must be when it returns.
  Reactor& home() noexcept { return reactor_; }

  // EXPIRED_IN_QUEUE when the deadline has passed, CANCELLED_IN_QUEUE when the peer has left; else OK.
  absl::Status still_wanted() noexcept;

  // From here on `watcher` is told; one at a time. False: the call is over already, and nothing will be told.
  bool watch(CallWatcher& watcher) noexcept;
  // When it returns the watcher may go: it is not told any more, and not being told.
  void unwatch(CallWatcher& watcher) noexcept;

  // What the request carries under this name (lower case); the first when there are several. Bytes live as the call.
  std::optional<std::string_view> metadata(std::string_view name) const;
  // Everything the request carries beside the message, sorted by name.
  const std::multimap<grpc::string_ref, grpc::string_ref>& metadata() const { return context_.client_metadata(); }
  // So long the call could do nothing but wait: before it was applied (kQueue), or for the disk (kDisk). Told by
  // whoever made it wait, on the thread of its coroutine.
  void waited(CallStage stage, std::chrono::nanoseconds time) noexcept {
    (stage == CallStage::kDisk ? disk_wait_ : queue_wait_) += time;
  }

  // Sent with the answer, also with an error. Names in lower case; a name ending in "-bin" takes any bytes.
  void add_trailer(const std::string& name, const std::string& value) {
    const std::lock_guard lock(trailers_mutex_);
    context_.AddTrailingMetadata(name, value);
  }
  // The answer is there, or will be, and has so many bytes: they count from here on, not only when it is sent.
  void holds_answer(std::size_t bytes) noexcept {
    if (bytes > answer_bytes_) held_.add(bytes - std::exchange(answer_bytes_, bytes));
  }

  // To be asked first, when the call was accepted: OVERLOADED, EXPIRED_IN_QUEUE, or OK. Unpacks the message, where it
  // has one: else the errors of rpc/unpacked_message.h.
  absl::Status enter(WhenFull when_full = WhenFull::kRefuse) noexcept;
  grpc::ByteBuffer& bytes() noexcept { return bytes_; }
  std::chrono::steady_clock::time_point accepted_at() const noexcept { return accepted_at_; }

 protected:
  explicit Call(Reactor& reactor) : reactor_(reactor), visit_(reactor.gate()), held_(reactor.bytes()) {
    context_.AsyncNotifyWhenDone(static_cast<Completion*>(&over_));
  }
  ~Call() = default;

  // The answer was handed over or refused.
  Completion& sent() noexcept { return sent_; }
  // The library's last word came: the call was cancelled, or it ended. A stream that waits for something wakes up here.
  virtual void on_over() noexcept {}
  // Set before the last event comes; resumed when all have come, in whatever order: the answer was handed over, the
  // call is over, and one more of arrive() for each expect_one_more().
  void resume_at_end(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  void expect_one_more() noexcept { events_left_.fetch_add(1, std::memory_order_relaxed); }
  void arrive() noexcept {
    if (events_left_.fetch_sub(1, std::memory_order_acq_rel) == 1) waiter_.resume();
  }
  bool over() const noexcept { return over_.seen.load(std::memory_order_acquire); }
  // From any poller, more than once: the first time counts.
  void tell_watcher() noexcept;

  Reactor& reactor_;
  Gate::Visit visit_;  // the first to come and the last to go
  ByteBudget::Share held_;
  grpc::ServerContext context_;
  grpc::ByteBuffer bytes_;
  std::chrono::nanoseconds queue_wait_{0};
  std::chrono::nanoseconds disk_wait_{0};
  std::mutex trailers_mutex_;  // a handler may add one while a timer sends them
  // The server's own, where the caller has none.
  static constexpr std::chrono::steady_clock::time_point kNever = std::chrono::steady_clock::time_point::max();
  std::chrono::steady_clock::time_point own_deadline_ = kNever;

 private:
  struct Sent final : Completion {
    explicit Sent(Call& call) : call(call) {}
    void complete(bool) noexcept override { call.arrive(); }
    Call& call;
  };
  struct Over final : Completion {
    explicit Over(Call& call) : call(call) {}
    void complete(bool) noexcept override {
      seen.store(true, std::memory_order_release);
      call.on_over();
      call.tell_watcher();
      call.arrive();
    }
    Call& call;
    std::atomic<bool> seen{false};
  };

  struct Nobody final : CallWatcher {
    void call_over() noexcept override {}
  };

  Sent sent_{*this};
  Over over_{*this};
  std::atomic<int> events_left_{2};
  // Null, the watcher, or nobody: the call is over and whoever watched has been told, or is being told.
  std::atomic<CallWatcher*> watcher_{nullptr};
  std::atomic<bool> watcher_told_{false};
  static Nobody nobody;
  std::coroutine_handle<> waiter_;
  std::chrono::steady_clock::time_point accepted_at_;
  std::size_t answer_bytes_ = 0;
};

// The events of a unary call: accepted, then (answer sent, call over) in any order, and where the server's own deadline
// is kept by a timer, that and the end of the coroutine too.
class UnaryCall final : public Call {
 public:
  explicit UnaryCall(Reactor& reactor) : Call(reactor), writer_(&context_) {}

  // Listens for the next call of the method; resumes on a poller with false when the server stops.
  template <class Service, class RawMethod>
  auto accept(Service& service, RawMethod next) {
    return OnCompletion([this, &service, next](Completion& accepted) {
      grpc::ServerCompletionQueue* queue = reactor_.queue();
      (service.*next)(&context_, &bytes_, &writer_, queue, queue, &accepted);
    });
  }

  // As Call::enter(), and the server's own deadline begins for a caller that set none.
  absl::Status enter(WhenFull when_full) noexcept;
  // Its handler is about to wait: from here on the server's own deadline is kept by a timer. Throws std::bad_alloc, and
  // then it is not.
  void begin_wait();
  // The handler is done: from here on only its answer may be sent, unless the timer's was. Counts the call, its
  // method's and its stages', and tells of it when it was slow.
  void handled(MethodCounts& counts, const absl::Status& status, const grpc::ByteBuffer& answer) noexcept;
  // Nothing of it is left.
  void ended() noexcept;

  // Sends the answer, or the error when `status` is one, unless the timer was first. Resumes on a poller when nothing
  // of the call is left. After handled().
  auto finish(const absl::Status& status, const grpc::ByteBuffer& answer) { return Finish{*this, status, answer}; }

 private:
  struct Finish {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter);
    void await_resume() const noexcept {}
    UnaryCall& call;
    const absl::Status& status;
    const grpc::ByteBuffer& answer;
  };

  struct Expiry final : Completion {
    explicit Expiry(UnaryCall& call) : call(call) {}
    void complete(bool passed) noexcept override { call.expire(passed); }
    UnaryCall& call;
  };
  // True for the first who asks: it is the one to answer.
  bool claim_answer() noexcept { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  void expire(bool passed) noexcept;

  grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> writer_;
  std::chrono::steady_clock::time_point handled_at_;
  std::optional<grpc::Alarm> timer_;
  Expiry expiry_{*this};
  std::atomic<bool> claimed_{false};                  // where there is a timer
  std::chrono::steady_clock::time_point expired_at_;  // written before the claim, read by who finds it claimed
  bool answered_late_ = false;                        // the timer has answered for the handler
};

}  // namespace kv
