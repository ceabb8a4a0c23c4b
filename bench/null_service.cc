#include "bench/null_service.h"

#include <string>

namespace kv {
namespace {

constexpr std::size_t kValueBytes = 64;

Answer<kvstore::GetResponse> answer_old_get(Call&, kvstore::GetRequest&) {
  kvstore::GetResponse response;
  response.mutable_value()->assign(kValueBytes, 'v');
  return response;
}

Answer<google::protobuf::Empty> answer_old_set(Call&, kvstore::SetRequest&) { return google::protobuf::Empty(); }

Answer<kvstore::v1::GetResponse> answer_get(Call&, kvstore::v1::GetRequest&) { return null_get_response(); }
Answer<kvstore::v1::SetResponse> answer_set(Call&, kvstore::v1::SetRequest&) { return null_set_response(); }

}  // namespace

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
  using kvstore::v1::GetRequest;
  using kvstore::v1::GetResponse;
  using kvstore::v1::SetRequest;
  using kvstore::v1::SetResponse;
  serve_unary<GetRequest, GetResponse>(reactor, "kvstore.v1.KeyValueService/Get", raw_, &Raw::RequestGet, answer_get);
  serve_unary<SetRequest, SetResponse>(reactor, "kvstore.v1.KeyValueService/Set", raw_, &Raw::RequestSet, answer_set);
  serve_messages<Raw>(reactor, "kvstore.v1.KeyValueService/Pipeline", raw_, &Raw::RequestPipeline, StreamBounds(),
                      NullPipeline::Handler{&pipeline_});
}

}  // namespace kv
