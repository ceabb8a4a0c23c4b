// Messages as bytes, in one place: every method is raw, so that a message that does not parse is answered by us.
//
// Hard part: what the library has read is counted by its quota (rpc/server.cc), and giving it back may wake the
// library's own clean-up, which 1.51 can do only inside one of its calls. The end of a ByteBuffer is one, that of a
// Slice is not: where a slice goes last the process may crash. So no slice of a received message outlives the buffer it
// came from.
//
// Threads: free functions, safe from any thread.
// Errors:  a peer's bytes never do more than fail to parse; how many they are was bounded by the library's limit.
#pragma once

#include <cstddef>
#include <string_view>

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include "absl/status/status.h"

namespace kv {

// A message as its bytes, for methods that read and write them by hand: a Request or Response of serve_unary() like a
// generated one.
class WireMessage {
 public:
  std::string_view bytes() const noexcept { return {reinterpret_cast<const char*>(slice_.begin()), slice_.size()}; }

  // Room of `size` bytes, to be written from its end backwards. Throws std::bad_alloc. Gives that end.
  char* reserve(std::size_t size);
  // Of what was reserved the last `size` bytes are the message.
  void keep_last(std::size_t size) noexcept;

 private:
  friend bool parse(grpc::ByteBuffer& bytes, WireMessage& message);
  friend absl::Status serialize(const WireMessage& message, grpc::ByteBuffer& bytes);
  grpc::Slice slice_;
};

// Any bytes are one, and stay in the buffer, which has to outlive the message; false only when the buffer itself cannot
// be read.
bool parse(grpc::ByteBuffer& bytes, WireMessage& message);
absl::Status serialize(const WireMessage& message, grpc::ByteBuffer& bytes);
[[gnu::cold]] absl::Status unparsable(const WireMessage& message);

// False when the bytes are no such message, or have far more fields than any. What was read before stays in `message`.
bool parse(grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message);

// Fails with RESPONSE_TOO_LARGE above 2 GiB, which protobuf cannot write.
absl::Status serialize(const google::protobuf::MessageLite& message, grpc::ByteBuffer& bytes);

// MESSAGE_INVALID, naming the type.
[[gnu::cold]] absl::Status unparsable(const google::protobuf::MessageLite& message);
[[gnu::cold]] absl::Status unparsable(std::string_view type);

}  // namespace kv
