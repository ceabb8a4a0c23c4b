#include "bench/null_pipeline.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "bench/null_service.h"
#include "core/wire.h"
#include "kvstore/v1/operation.pb.h"
#include "rpc/message.h"

namespace kv {
namespace {

// Field numbers of key_value_service.proto and operation.proto.
enum : std::uint32_t { kId = 1, kOperations = 2, kResults = 2, kGet = 1 };
constexpr std::size_t kFramingBytesMax = 32;

std::string as_field(const kvstore::v1::OperationResult& result) {
  const std::string content = result.SerializeAsString();
  std::string field(content.size() + kFramingBytesMax, '\0');
  WireWriter writer(field.data() + field.size(), field.size());
  writer.text(kResults, content);
  return std::string(writer.written());
}

std::string get_result() {
  kvstore::v1::OperationResult result;
  *result.mutable_get() = null_get_response();
  return as_field(result);
}

std::string set_result() {
  kvstore::v1::OperationResult result;
  *result.mutable_set() = null_set_response();
  return as_field(result);
}

struct NullRequest {
  std::uint64_t id = 0;
  std::vector<bool> reads;  // of each operation
};

bool read(std::string_view message, NullRequest& request) {
  request.id = 0;
  request.reads.clear();
  WireReader reader(message);
  while (reader.next()) {
    if (reader.tag() == wire_tag(kId, WireType::kVarint)) {
      request.id = reader.varint();
    } else if (reader.tag() == wire_tag(kOperations, WireType::kBytes)) {
      WireReader operation = reader.message();
      request.reads.push_back(operation.next() && operation.field() == kGet);
    } else {
      reader.skip();
    }
  }
  return !reader.failed();
}

}  // namespace

NullPipeline::NullPipeline() : get_(get_result()), set_(set_result()) {}

Task<absl::Status> NullPipeline::serve(MessageStream& stream) const {
  WireMessage bytes;
  NullRequest request;
  while (true) {
    const bool more = co_await stream.read(bytes);
    if (!more) co_return absl::OkStatus();
    if (!read(bytes.bytes(), request)) co_return unparsable("kvstore.v1.PipelineRequest");
    const std::size_t room = request.reads.size() * std::max(get_.size(), set_.size()) + kFramingBytesMax;
    WireMessage answer;
    WireWriter writer(answer.reserve(room), room);
    for (std::size_t i = request.reads.size(); i-- > 0;) writer.raw(request.reads[i] ? get_ : set_);
    writer.number(kId, request.id);
    answer.keep_last(writer.size());
    grpc::ByteBuffer sent;
    serialize(answer, sent).IgnoreError();  // of a message that is bytes already it cannot fail
    stream.promise();
    stream.send(sent);
  }
}

}  // namespace kv
