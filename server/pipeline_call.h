// The Pipeline call of kvstore.v1.KeyValueService: many operations in a message, many messages on a stream.
//
// Hard part: messages are carried out one after the other, so that operations on a key keep their order, but a message
// whose answer waits for the disk does not hold up the next one. Its answer is written at once and sent when it may be;
// if the disk fails meanwhile, those of its results that would show too much are replaced.
//
// Threads:  the handler runs on the reactors' pollers. Lifetime: the engine outlives it, it outlives the reactors.
// Errors:   of an operation in its result. What is wrong with a message as a whole ends the stream.
#pragma once

#include "rpc/message_stream.h"
#include "server/engine.h"

namespace kv {

inline constexpr std::size_t kPipelineOperationsMax = 4096;

class PipelineCall {
 public:
  explicit PipelineCall(Engine& engine) : engine_(engine) {}

  // A handler for serve_messages().
  struct Handler {
    PipelineCall* pipeline;
    Task<absl::Status> operator()(MessageStream& stream) const { return pipeline->serve(stream); }
  };

 private:
  Task<absl::Status> serve(MessageStream& stream);

  Engine& engine_;
};

}  // namespace kv
