// Pipeline with nothing behind it: the operations of a message are told apart, and each is answered with the same
// bytes.
//
// What messages on a stream cost by themselves: reading them from the library, finding the operations, answering.
//
// Threads: as a handler of serve_messages(). Errors: INVALID_ARGUMENT ends the stream on bytes that are no request.
#pragma once

#include <string>

#include "rpc/message_stream.h"

namespace kv {

class NullPipeline {
 public:
  NullPipeline();

  struct Handler {
    const NullPipeline* pipeline;
    Task<absl::Status> operator()(MessageStream& stream) const { return pipeline->serve(stream); }
  };

 private:
  Task<absl::Status> serve(MessageStream& stream) const;

  const std::string get_, set_;  // results as they stand in an answer
};

}  // namespace kv
