#include "rpc/health_message.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include "core/error.h"

namespace kv {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr int kServiceField = 1;
constexpr int kStatusField = 1;
constexpr int kServiceBytesMax = 1024;  // names are set by us and short

}  // namespace

bool parse(grpc::ByteBuffer& bytes, HealthRequest& request) {
  grpc::ProtoBufferReader reader(&bytes);
  if (!reader.status().ok()) return false;
  google::protobuf::io::CodedInputStream in(&reader);
  constexpr std::uint32_t kService = WireFormatLite::MakeTag(kServiceField, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  while (const std::uint32_t tag = in.ReadTag()) {
    if (tag != kService) {
      if (!WireFormatLite::SkipField(&in, tag)) return false;
      continue;
    }
    int size = 0;
    if (!in.ReadVarintSizeAsInt(&size) || size > kServiceBytesMax || !in.ReadString(&request.service, size))
      return false;
  }
  return in.ConsumedEntireMessage();
}

absl::Status unparsable(const HealthRequest&) {
  return error(Reason::kMessageInvalid, "the bytes are not a grpc.health.v1.HealthCheckRequest");
}

absl::Status serialize(Health health, grpc::ByteBuffer& bytes) {
  const char message[] = {static_cast<char>(WireFormatLite::MakeTag(kStatusField, WireFormatLite::WIRETYPE_VARINT)),
                          static_cast<char>(health)};
  grpc::Slice slice(message, sizeof(message));
  grpc::ByteBuffer(&slice, 1).Swap(&bytes);
  return absl::OkStatus();
}

}  // namespace kv
