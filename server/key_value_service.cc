#include "server/key_value_service.h"

#include <fmt/format.h>

namespace kv {

namespace v1 = kvstore::v1;

void KeyValueService::listen(Reactor& reactor) {
  const auto name = [](std::string_view method) { return fmt::format("{}/{}", Stubs::service_full_name(), method); };
  const auto serve_single = [&](std::string_view method, RawUnaryMethod<Raw> next, OperationKind kind) {
    serve_unary<WireMessage, WireMessage, Raw>(reactor, name(method), service_, next, single_.handler(kind));
  };
  serve_single("Get", &Raw::RequestGet, OperationKind::kGet);
  serve_single("Set", &Raw::RequestSet, OperationKind::kSet);
  serve_single("Delete", &Raw::RequestDelete, OperationKind::kDelete);
  serve_stream<WireMessage, Raw>(reactor, name("MultiGet"), service_, &Raw::RequestMultiGet, many_.multi_get_handler());
  serve_stream<v1::ScanRequest, Raw>(reactor, name("Scan"), service_, &Raw::RequestScan, scans_.handler());
  serve_unary<v1::DeleteRangeRequest, v1::DeleteRangeResponse, Raw>(
      reactor, name("DeleteRange"), service_, &Raw::RequestDeleteRange, many_.delete_range_handler());
  serve_single("Increment", &Raw::RequestIncrement, OperationKind::kIncrement);
  serve_single("Append", &Raw::RequestAppend, OperationKind::kAppend);
  serve_single("SetExpiry", &Raw::RequestSetExpiry, OperationKind::kSetExpiry);
  serve_unary<WireMessage, WireMessage, Raw>(reactor, name("Transact"), service_, &Raw::RequestTransact,
                                             TransactCall::Handler{&transact_});
  serve_messages<Raw>(reactor, name("Pipeline"), service_, &Raw::RequestPipeline, StreamBounds(),
                      PipelineCall::Handler{&pipeline_});
}

}  // namespace kv
