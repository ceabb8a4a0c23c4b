#include "rpc/message.h"

#include <cstdint>
#include <limits>

#include <fmt/format.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include "core/error.h"

namespace kv {

bool parse(grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message) {
  // Nearly every message lies in one slice: no stream is needed to read it.
  grpc::Slice slice;
  if (bytes.TrySingleSlice(&slice).ok()) {
    return message.ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
  }
  grpc::ProtoBufferReader reader(&bytes);
  return reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
}

absl::Status serialize(const google::protobuf::MessageLite& message, grpc::ByteBuffer& bytes) {
  const std::size_t size = message.ByteSizeLong();
  if (size > std::numeric_limits<std::int32_t>::max()) {
    return error(Reason::kResponseTooLarge, fmt::format("the answer has {} bytes", size));
  }
  grpc::Slice slice(size);
  message.SerializeWithCachedSizesToArray(const_cast<std::uint8_t*>(slice.begin()));  // ours alone: just made
  grpc::ByteBuffer(&slice, 1).Swap(&bytes);
  return absl::OkStatus();
}

absl::Status unparsable(const google::protobuf::MessageLite& message) {
  return error(Reason::kMessageInvalid, fmt::format("the bytes are not a {}", message.GetTypeName()));
}

}  // namespace kv
