#include "server/pipeline_call.h"

#include <utility>

#include "server/calling_client.h"
#include "server/pipeline_message.h"

namespace kv {
namespace {

// An answer that the stream waits for: sent, or dropped with this object, whatever was thrown meanwhile. A promise that
// nobody keeps would hold up the end of the stream, and a stop, for ever.
class Promised {
 public:
  explicit Promised(MessageStream& stream) : stream_(&stream) { stream.promise(); }
  Promised(Promised&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)), held_(other.held_) {}
  Promised& operator=(Promised&&) = delete;
  ~Promised() {
    if (stream_ != nullptr) stream_->drop(held_);
  }

  void hold(std::size_t bytes) noexcept {
    held_ = bytes;
    stream_->hold(bytes);
  }
  // Once.
  void send(const WireMessage& message) {
    grpc::ByteBuffer bytes;
    serialize(message, bytes).IgnoreError();  // of a message that is bytes already it cannot fail
    std::exchange(stream_, nullptr)->send(bytes, held_);
  }

 private:
  MessageStream* stream_;  // null: kept
  std::size_t held_ = 0;
};

// Resumes on the stream's home. The stream lives until the promise is kept. `settling` is made by the caller, who can
// answer for a lack of memory.
Detached send_when_settled(Engine& engine, Promised promised, WaitingAnswer answer, Task<absl::Status> settling) {
  const absl::Status settled = co_await settling;
  if (settled.ok()) {
    promised.send(answer.message);
  } else {
    promised.send(answer.replaced(engine, settled));
  }
}

}  // namespace

Task<absl::Status> PipelineCall::serve(MessageStream& stream) {
  CallingClient client(stream);
  PipelineMessage message(engine_, &stream);
  WireMessage bytes;
  while (true) {
    const bool more = co_await stream.read(bytes);
    if (!more) co_return absl::OkStatus();
    if (const absl::Status ready = engine_.ready(); !ready.ok()) co_return ready;
    if (const absl::Status well = message.read(bytes.bytes()); !well.ok()) co_return well;
    Promised promised(stream);
    const absl::Status ran = co_await message.run(client);
    if (!ran.ok()) co_return ran;
    WaitingAnswer answer = message.answer();
    promised.hold(answer.memory_bytes());
    if (engine_.settled(answer.unsettled)) {
      promised.send(answer.message);
    } else {
      Task<absl::Status> settling = engine_.until_settled(answer.unsettled, stream.home());
      send_when_settled(engine_, std::move(promised), std::move(answer), std::move(settling));
    }
  }
}

}  // namespace kv
