#include "rpc/message.h"

#include <cstdint>
#include <limits>

#include <fmt/format.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include "core/error.h"

namespace kv {

char* WireMessage::reserve(std::size_t size) {
  slice_ = grpc::Slice(size);
  return const_cast<char*>(reinterpret_cast<const char*>(slice_.end()));  // ours alone: just made
}

void WireMessage::keep_last(std::size_t size) noexcept {
  const grpc_slice whole = slice_.c_slice();
  slice_ = grpc::Slice(grpc_slice_sub_no_ref(whole, slice_.size() - size, slice_.size()), grpc::Slice::STEAL_REF);
}

bool parse(grpc::ByteBuffer& bytes, WireMessage& message) {
  return bytes.TrySingleSlice(&message.slice_).ok() || bytes.DumpToSingleSlice(&message.slice_).ok();
}

absl::Status serialize(const WireMessage& message, grpc::ByteBuffer& bytes) {
  grpc::ByteBuffer(&message.slice_, 1).Swap(&bytes);
  return absl::OkStatus();
}

absl::Status unparsable(const WireMessage&) { return unparsable("message"); }

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

absl::Status unparsable(const google::protobuf::MessageLite& message) { return unparsable(message.GetTypeName()); }

absl::Status unparsable(std::string_view type) {
  return error(Reason::kMessageInvalid, fmt::format("the bytes are not a {}", type));
}

}  // namespace kv
