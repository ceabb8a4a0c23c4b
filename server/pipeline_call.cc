#include "server/pipeline_call.h"

#include <utility>

#include "server/calling_client.h"
#include "server/pipeline_message.h"

namespace kv {
namespace {

void send(MessageStream& stream, const WireMessage& message, std::size_t held_bytes) {
  grpc::ByteBuffer bytes;
  serialize(message, bytes).IgnoreError();  // of a message that is bytes already it cannot fail
  stream.send(bytes, held_bytes);
}

// Resumes on the stream's home. The stream lives until the promise is kept.
Detached send_when_settled(Engine& engine, MessageStream& stream, WaitingAnswer answer, std::size_t held_bytes) {
  const absl::Status settled = co_await engine.until_settled(answer.unsettled, stream.home());
  if (settled.ok()) {
    send(stream, answer.message, held_bytes);
  } else {
    send(stream, answer.replaced(engine, settled), held_bytes);
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
    stream.promise();
    const absl::Status ran = co_await message.run(client);
    if (!ran.ok()) {
      stream.drop();
      co_return ran;
    }
    WaitingAnswer answer = message.answer();
    const std::size_t held_bytes = answer.memory_bytes();
    stream.hold(held_bytes);
    if (engine_.settled(answer.unsettled)) {
      send(stream, answer.message, held_bytes);
    } else {
      send_when_settled(engine_, stream, std::move(answer), held_bytes);
    }
  }
}

}  // namespace kv
