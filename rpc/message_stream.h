// One bidirectional stream of raw messages, as one coroutine: read, work, answer, in a loop; and everything that may
// end it.
//
// A handler is a callable `Task<absl::Status> handler(MessageStream&)`. It reads until read() gives false, then returns
// how the stream ends. It may return earlier; what was answered so far is sent first. Answers that are known later than
// the next message is read are promised: promise(), then send() or drop(), each once, from any poller of the reactor.
//
// Hard part: the bound on what a stream costs. The library lets one answer be written at a time, and completes it only
// when the peer has room. So answers queue here, read() waits while too many are promised or too many bytes are queued,
// and a client that does not read is not read from either: its own sends stop. (Answers that others follow at once are
// handed over as one, and the library holds up to 64 KiB of them.) What all streams hold together is
// bounded by the server's ByteBudget: a message that comes when it is full is not carried out, and ends the stream with
// OVERLOADED behind the answers to those before it. A message may be far larger in memory than on the wire: its handler
// says so with hold_read().
// And the end: a stop must end a stream that is parked in a read, after its promised answers were sent. The library
// allows the last status to be sent while a read is pending, which then fails; so whoever finds that nothing is
// promised and nobody works sends the status, once.
//
// Threads:  read() and the handler's coroutine on the reactor's pollers, one at a time; promise(), send() and
//           drop() from any thread. serve_messages() before the pollers start.
// Lifetime: the handler's targets outlive the reactor. The stream lives until nothing is promised.
// Errors:   a broken stream drops what is sent; read() is false then. SHUTTING_DOWN when a stop ended it.
// Source:   grpcpp/support/async_stream.h; docs/decisions.md, "A stream that is ended from our side".
#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string_view>
#include <type_traits>

#include <grpcpp/support/async_stream.h>

#include "core/task.h"
#include "rpc/call_counts.h"
#include "rpc/incident.h"
#include "rpc/message.h"
#include "rpc/open_streams.h"
#include "rpc/stream_call.h"

namespace kv {

struct StreamBounds {
  std::size_t promised_max = 64;           // answers that are promised and not yet written
  std::size_t queued_bytes_max = 4 << 20;  // answers that wait for the client or the disk, one beyond it
};

class MessageStream final : public StreamCall {
 public:
  MessageStream(Reactor& reactor, StreamBounds bounds) : StreamCall(reactor), bounds_(bounds), stream_(&context_) {
    expect_one_more();  // The coroutine itself: a stop may send the status before it is told.
  }
  // Before anything of it goes: a stop may be looking at it.
  ~MessageStream() { reactor_.streams().remove(*this); }

  template <class Service, class RawMethod>
  auto accept(Service& service, RawMethod next) {
    return OnCompletion([this, &service, next](Completion& accepted) {
      grpc::ServerCompletionQueue* queue = reactor_.queue();
      (service.*next)(&context_, &stream_, queue, queue, &accepted);
    });
  }

  // co_await gives bool: a message is there, or none will come. Resumes on a poller.
  auto read(WireMessage& message) { return Read(*this, message); }

  // What the message that was read has become takes so many bytes beside its own: they count until the next is read.
  // From any thread, more than once.
  void hold_read(std::size_t bytes) noexcept;

  // One answer more will come.
  void promise() noexcept;
  // It is there, and waits: so many bytes count as if they were queued.
  void hold(std::size_t bytes) noexcept;
  void send(grpc::ByteBuffer answer, std::size_t held_bytes = 0) noexcept;
  void drop(std::size_t held_bytes = 0) noexcept;

  // Why read() gave false although the client has sent more: OVERLOADED, or an error of rpc/unpacked_message.h. OK: it
  // was for another reason.
  const absl::Status& refusal() const noexcept { return refused_; }

  // When everything that was promised is sent, or refused, the status too, and nothing of the call is left.
  auto finish(absl::Status status) { return Finish{*this, std::move(status)}; }

 private:
  class [[nodiscard]] Read final : public Completion {
   public:
    Read(MessageStream& stream, WireMessage& message) : stream_(stream), message_(message) {}
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> waiter);
    bool await_resume();
    void complete(bool ok) noexcept override;

   private:
    friend class MessageStream;
    // Room there is: ask the library.
    void start() noexcept;
    MessageStream& stream_;
    WireMessage& message_;
    std::coroutine_handle<> waiter_;
    bool ok_ = false;
  };
  struct Finish {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter);
    void await_resume() const noexcept {}
    MessageStream& stream;
    absl::Status status;
  };
  struct Written final : Completion {
    explicit Written(MessageStream& stream) : stream(stream) {}
    void complete(bool ok) noexcept override { stream.written(ok); }
    MessageStream& stream;
  };
  // Deferred, so that the answers to messages that lie there already leave together.
  struct Flush final : Completion {
    explicit Flush(MessageStream& stream) : stream(stream) {}
    void complete(bool) noexcept override { stream.flush(); }
    MessageStream& stream;
  };
  // Where the coroutine is.
  enum class Reader { kWorking, kWantsRoom, kReading, kGone };
  // What is to be done when the lock is given up; at most one of each.
  struct Todo {
    bool write = false;
    bool more_follows = false;  // behind what is written
    bool send_status = false;
    Read* read = nullptr;    // has room now
    Read* resume = nullptr;  // is to see that nothing comes any more
  };

  // Nothing is read any more; the stream ends with SHUTTING_DOWN when the last promise is kept.
  void on_stop() noexcept override { end(); }
  void end() noexcept;
  bool has_room() const noexcept {
    return promised_ < bounds_.promised_max && queued_bytes_ <= bounds_.queued_bytes_max;
  }
  // Locked.
  Todo next_steps() noexcept;
  // Unlocked: it may take a while. An error: the message that was just read is not carried out.
  absl::Status unpack_message() noexcept;
  // Locked.
  void count_message() noexcept;
  void queue_bytes(std::size_t bytes) noexcept;
  void unqueue_bytes(std::size_t bytes) noexcept;
  // Unlocked.
  void carry_out(Todo todo) noexcept;
  void written(bool ok) noexcept;
  void flush() noexcept;
  void clear_queue() noexcept;

  const StreamBounds bounds_;
  grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer> stream_;
  Written written_{*this};
  Flush flush_{*this};
  absl::Status refused_;  // the coroutine's

  std::mutex mutex_;  // guards the rest
  Reader reader_ = Reader::kWorking;
  Read* waiting_ = nullptr;
  std::size_t promised_ = 0;
  std::deque<grpc::ByteBuffer> queue_;  // the first is being written when writing_
  std::size_t queued_bytes_ = 0;        // what is held included
  std::size_t message_bytes_ = 0;       // of the message being carried out, and what it has become
  bool begun_ = false;                  // a first answer was handed over
  bool writing_ = false;
  bool flush_due_ = false;    // flush() will come, and begins to write; the stream cannot end before that
  bool broken_ = false;       // the peer takes nothing any more
  bool peer_done_ = false;    // it sends nothing more
  bool ending_ = false;       // a stop has begun
  bool status_sent_ = false;  // or being sent
  absl::Status status_;       // stays as it is once status_sent_
};

// What a generated WithRawMethod_X<...> calls RequestX of a bidirectional stream.
template <class Service>
using RawMessagesMethod = void (Service::*)(grpc::ServerContext*,
                                            grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>*,
                                            grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*);

template <class Service, class Handler>
struct MessagesRoute {
  Reactor& reactor;
  MethodCounts& counts;
  Service& service;
  RawMessagesMethod<Service> next;
  StreamBounds bounds;
  Handler handler;
};

template <class Service, class Handler>
Detached serve_message_stream(MessagesRoute<Service, Handler> route) {
  MessageStream stream(route.reactor, route.bounds);
  const bool accepted = co_await stream.accept(route.service, route.next);
  if (!accepted) co_return;  // The server is stopping.
  serve_message_stream(route);

  absl::Status status = stream.enter();
  try {
    if (status.ok()) status = co_await route.handler(stream);
    if (status.ok()) status = stream.refusal();
  } catch (...) {
    status = incident(route.counts.method());
  }
  route.counts.count(status.raw_code(), std::chrono::steady_clock::now() - stream.accepted_at());
  co_await stream.finish(std::move(status));
}

// Listens for the method's streams on this reactor. `method` is "package.Service/Method".
template <class Service, class Handler>
void serve_messages(Reactor& reactor, std::string_view method, std::type_identity_t<Service>& service,
                    RawMessagesMethod<Service> next, StreamBounds bounds, Handler handler) {
  MethodCounts& counts = reactor.counts().method(method);
  for (unsigned i = 0; i < reactor.posted_calls_per_method(); ++i) {
    serve_message_stream(MessagesRoute<Service, Handler>{reactor, counts, service, next, bounds, handler});
  }
}

}  // namespace kv
