// A call that is a stream: what streams of every direction have in common, and the one that sends many messages for one
// request.
//
// Hard part: a peer that does not read. A message is handed to the library only when the one before has left it, so
// such a peer costs one message and what its flow-control window holds, and parks the coroutine. It is resumed when the
// peer reads, leaves or its deadline passes; and a stop, which cannot wait for that, cancels the stream.
//
// Threads:  as rpc/call.h.
// Lifetime: as rpc/call.h. One message is on its way at a time; its bytes live until it is resumed.
#pragma once

#include <atomic>
#include <coroutine>

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "core/task.h"
#include "rpc/call.h"

namespace kv {

class StreamCall : public Call {
 public:
  // As Call::enter(), and from here on a stop reaches the stream.
  absl::Status enter(WhenFull when_full = WhenFull::kRefuse);
  // The server stops: the stream is to end where nothing is half done.
  bool stopping() noexcept { return reactor_.streams().stopping(); }

 protected:
  explicit StreamCall(Reactor& reactor) : Call(reactor) {}
  ~StreamCall() { reactor_.streams().remove(*this); }

  // Told once when the server stops, under the lock of OpenStreams: short. For a stream that waits for something else
  // than its peer.
  virtual void on_stop() noexcept {}

  // True from before a message is handed over until it has left, or cannot.
  std::atomic<bool> sending_{false};

 private:
  friend class OpenStreams;
};

// One request, any number of messages for it.
class ServerStream : public StreamCall {
 public:
  explicit ServerStream(Reactor& reactor) : StreamCall(reactor), writer_(&context_) {}
  // Before the object is less than it was: a stop on another thread may just be telling it.
  ~ServerStream() { reactor_.streams().remove(*this); }

  // Listens for the next call of the method; resumes on a poller with false when the server stops.
  template <class Service, class RawMethod>
  auto accept(Service& service, RawMethod next) {
    return OnCompletion([this, &service, next](Completion& accepted) {
      grpc::ServerCompletionQueue* queue = reactor_.queue();
      (service.*next)(&context_, &bytes_, &writer_, queue, queue, &accepted);
    });
  }

  // Sends one message; resumes on a poller when it has left, with an error when there is nobody to send to any more
  // (EXPIRED_IN_QUEUE, CANCELLED_IN_QUEUE) or the server stops (SHUTTING_DOWN). The handler then ends with that error.
  Task<absl::Status> send(const google::protobuf::MessageLite& message);
  // The same for a message that is serialized already: what is large is best made elsewhere, because a poller that
  // makes it answers nobody else meanwhile.
  Task<absl::Status> send(grpc::ByteBuffer bytes);

  // The request has been read: its bytes go, and do not count any more.
  void drop_request() noexcept {
    held_.give_back(bytes_.Length());
    bytes_.Clear();
  }

  // The end: no more messages. Resumes on a poller when nothing of the call is left.
  auto finish(const absl::Status& status) { return Finish{*this, status}; }

 protected:
  // Sends, also while the server stops. Resumes on a poller: false when there is nobody to send to any more.
  auto write(const grpc::ByteBuffer& bytes) { return Write(*this, bytes); }

 private:
  struct Write final : Completion {
    Write(ServerStream& stream, const grpc::ByteBuffer& bytes) : stream(stream), bytes(bytes) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter);
    bool await_resume() const noexcept { return written; }
    void complete(bool ok) noexcept override;
    ServerStream& stream;
    const grpc::ByteBuffer& bytes;
    bool written = false;
    std::coroutine_handle<> waiter;
  };
  struct Finish {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter);
    void await_resume() const noexcept {}
    ServerStream& stream;
    const absl::Status& status;
  };

  grpc::ServerAsyncWriter<grpc::ByteBuffer> writer_;
};

}  // namespace kv
