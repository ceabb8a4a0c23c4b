#include "rpc/stream_call.h"

#include "core/error.h"
#include "rpc/message.h"
#include "rpc/open_streams.h"
#include "rpc/status.h"

namespace kv {

void OpenStreams::add(StreamCall& stream) {
  const std::lock_guard lock(mutex_);
  streams_.insert(&stream);
}

void OpenStreams::remove(StreamCall& stream) noexcept {
  const std::lock_guard lock(mutex_);
  streams_.erase(&stream);
}

void OpenStreams::stop() noexcept {
  const std::lock_guard lock(mutex_);
  if (stopping_.exchange(true)) return;
  for (StreamCall* stream : streams_) stream->on_stop();
}

void OpenStreams::cut_off_stuck() noexcept {
  const std::lock_guard lock(mutex_);
  for (StreamCall* stream : streams_) {
    if (stream->sending_) stream->context_.TryCancel();
  }
}

absl::Status StreamCall::enter(WhenFull when_full) {
  reactor_.streams().add(*this);
  return Call::enter(when_full);
}

void ServerStream::Write::await_suspend(std::coroutine_handle<> resumed) {
  waiter = resumed;
  stream.sending_ = true;
  stream.writer_.Write(bytes, static_cast<Completion*>(this));
}

void ServerStream::Write::complete(bool ok) noexcept {
  written = ok;
  stream.sending_ = false;
  waiter.resume();
}

Task<absl::Status> ServerStream::send(const google::protobuf::MessageLite& message) {
  grpc::ByteBuffer bytes;
  if (const absl::Status fits = serialize(message, bytes); !fits.ok()) co_return fits;
  co_return co_await send(bytes);  // A copy of a ByteBuffer shares its bytes.
}

Task<absl::Status> ServerStream::send(grpc::ByteBuffer bytes) {
  if (const absl::Status wanted = still_wanted(); !wanted.ok()) co_return wanted;
  sending_ = true;  // Before looking whether the server stops: whoever is not seen stopping is seen sending.
  if (stopping()) {
    sending_ = false;
    co_return error(Reason::kShuttingDown, "the server is stopping");
  }
  held_.add(bytes.Length());
  const bool written = co_await write(bytes);
  held_.give_back(bytes.Length());
  if (written) co_return absl::OkStatus();
  const absl::Status wanted = still_wanted();
  co_return wanted.ok() ? error(Reason::kCancelledInQueue, "the caller left before the last message") : wanted;
}

void ServerStream::Finish::await_suspend(std::coroutine_handle<> waiter) {
  stream.resume_at_end(waiter);
  stream.writer_.Finish(to_grpc(status), static_cast<Completion*>(&stream.sent()));
}

}  // namespace kv
