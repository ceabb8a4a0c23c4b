#include "bench/null_service.h"

#include <string>

namespace kv {
namespace {

constexpr std::size_t kValueBytes = 64;

Answer<kvstore::GetResponse> answer_get(Call&, kvstore::GetRequest&) {
  kvstore::GetResponse response;
  response.mutable_value()->assign(kValueBytes, 'v');
  return response;
}

Answer<google::protobuf::Empty> answer_set(Call&, kvstore::SetRequest&) { return google::protobuf::Empty(); }

}  // namespace

void NullService::listen(Reactor& reactor) {
  serve_unary<kvstore::GetRequest, kvstore::GetResponse>(reactor, "kvstore.KeyValueStore/Get", raw_, &Raw::RequestGet,
                                                         answer_get);
  serve_unary<kvstore::SetRequest, google::protobuf::Empty>(reactor, "kvstore.KeyValueStore/Set", raw_,
                                                            &Raw::RequestSet, answer_set);
}

}  // namespace kv
