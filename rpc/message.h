// Messages as bytes, in one place: every method is raw, so that a message that does not parse is answered by us.
//
// Threads: free functions, safe from any thread.
// Errors:  a peer's bytes never do more than fail to parse; how many they are was bounded by the library's limit.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"

namespace kv {

// False when the bytes are not such a message. What was read up to the bad place stays in `message`.
bool parse(grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message);

// Fails with RESPONSE_TOO_LARGE above 2 GiB, which protobuf cannot write.
absl::Status serialize(const google::protobuf::MessageLite& message, grpc::ByteBuffer& bytes);

// MESSAGE_INVALID, naming the type.
absl::Status unparsable(const google::protobuf::MessageLite& message);

}  // namespace kv
