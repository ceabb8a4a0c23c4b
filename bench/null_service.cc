#include "bench/null_service.h"

#include <cstring>
#include <string>

#include "rpc/message.h"

namespace kv {
namespace {

constexpr std::size_t kValueBytes = 64;

Answer<kvstore::GetResponse> answer_old_get(Call&, kvstore::GetRequest&) {
  kvstore::GetResponse response;
  response.mutable_value()->assign(kValueBytes, 'v');
  return response;
}

Answer<google::protobuf::Empty> answer_old_set(Call&, kvstore::SetRequest&) { return google::protobuf::Empty(); }

WireMessage copy_of(const std::string& bytes) {
  WireMessage answer;
  std::memcpy(answer.reserve(bytes.size()) - bytes.size(), bytes.data(), bytes.size());
  return answer;
}

// Reads nothing of the request, and copies the answer's bytes.
struct FixedAnswer {
  const std::string* bytes;
  Answer<WireMessage> operator()(Call&, WireMessage&) const { return copy_of(*bytes); }
};

Task<absl::StatusOr<WireMessage>> synced_answer(NullLog* log, const std::string* bytes, Scheduler* home) {
  co_await OnCompletion([log, home](Completion& done) { log->write(done, *home); });
  co_return copy_of(*bytes);
}

// The same, with a record on the disk before.
struct SyncedAnswer {
  NullLog* log;
  const std::string* bytes;
  Answer<WireMessage> operator()(Call& call, WireMessage&) const { return synced_answer(log, bytes, &call.home()); }
};

}  // namespace

NullKeyValueService::NullKeyValueService(NullLog* log)
    : log_(log), get_(null_get_response().SerializeAsString()), set_(null_set_response().SerializeAsString()) {}

kvstore::v1::GetResponse null_get_response() {
  kvstore::v1::GetResponse response;
  kvstore::v1::Entry& entry = *response.mutable_entry();
  entry.mutable_value()->assign(kValueBytes, 'v');
  entry.set_type(kvstore::v1::VALUE_TYPE_STRING);
  entry.set_version(1);
  entry.set_create_version(1);
  entry.set_size_bytes(kValueBytes);
  response.set_revision(1);
  return response;
}

kvstore::v1::SetResponse null_set_response() {
  kvstore::v1::SetResponse response;
  response.set_applied(true);
  response.mutable_write()->set_revision(1);
  response.mutable_write()->set_durability(kvstore::v1::DURABILITY_MEMORY);
  return response;
}

void NullService::listen(Reactor& reactor) {
  serve_unary<kvstore::GetRequest, kvstore::GetResponse>(reactor, "kvstore.KeyValueStore/Get", raw_, &Raw::RequestGet,
                                                         answer_old_get);
  serve_unary<kvstore::SetRequest, google::protobuf::Empty>(reactor, "kvstore.KeyValueStore/Set", raw_,
                                                            &Raw::RequestSet, answer_old_set);
}

void NullKeyValueService::listen(Reactor& reactor) {
  serve_unary<WireMessage, WireMessage, Raw>(reactor, "kvstore.v1.KeyValueService/Get", raw_, &Raw::RequestGet,
                                             FixedAnswer{&get_});
  constexpr std::string_view kSet = "kvstore.v1.KeyValueService/Set";
  if (log_ == nullptr) {
    serve_unary<WireMessage, WireMessage, Raw>(reactor, kSet, raw_, &Raw::RequestSet, FixedAnswer{&set_});
  } else {
    serve_unary<WireMessage, WireMessage, Raw>(reactor, kSet, raw_, &Raw::RequestSet, SyncedAnswer{log_, &set_});
  }
  serve_messages<Raw>(reactor, "kvstore.v1.KeyValueService/Pipeline", raw_, &Raw::RequestPipeline, StreamBounds(),
                      NullPipeline::Handler{&pipeline_});
}

}  // namespace kv
