#include "rpc/message.h"

#include <cstdint>
#include <limits>

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/support/slice.h>

#include "core/error.h"
#include "core/wire.h"

namespace kv {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// A message up to this size may be all fields.
constexpr std::size_t kSmallMessageBytes = 4 << 10;
// Of a larger one, those of messages within included: an object keeps every field that it does not know, and for two
// bytes of a message that is sixteen. No request that becomes an object has a list of keys or operations.
constexpr std::size_t kFieldsMax = 1024;

bool is_group(std::uint32_t tag) noexcept { return (tag & 7) == static_cast<std::uint32_t>(WireType::kGroup); }

// What the message would have the parser make, without making it. Groups are in no message of ours, and what is in one
// is not looked into.
bool has_few_fields(WireReader reader, const Descriptor& type, std::size_t& left) {
  while (reader.next()) {
    if (left-- == 0 || is_group(reader.tag())) return false;
    const FieldDescriptor* field = type.FindFieldByNumber(static_cast<int>(reader.field()));
    const bool is_message = field != nullptr && field->type() == FieldDescriptor::TYPE_MESSAGE &&
                            reader.tag() == wire_tag(reader.field(), WireType::kBytes);
    if (!is_message) {
      reader.skip();
    } else if (!has_few_fields(reader.message(), *field->message_type(), left)) {
      return false;
    }
  }
  return true;  // whether it is a message at all, the parser says
}

}  // namespace

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
  // Nearly every message lies in one slice; what does not is put together, so that it can be looked at first.
  grpc::Slice slice;
  if (!bytes.TrySingleSlice(&slice).ok() && !bytes.DumpToSingleSlice(&slice).ok()) return false;
  const std::string_view whole(reinterpret_cast<const char*>(slice.begin()), slice.size());
  const auto* described = dynamic_cast<const google::protobuf::Message*>(&message);  // as all of ours are
  std::size_t fields_left = kFieldsMax;
  if (whole.size() > kSmallMessageBytes && described != nullptr &&
      !has_few_fields(WireReader(whole), *described->GetDescriptor(), fields_left))
    return false;
  return message.ParseFromArray(whole.data(), static_cast<int>(whole.size()));
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
