#include "server/key_value_service.h"

#include <fmt/format.h>

namespace kv {

void KeyValueService::listen(Reactor& reactor) {
  const auto name = [](std::string_view method) { return fmt::format("{}/{}", Stubs::service_full_name(), method); };
  const auto serve_single = [&](std::string_view method, RawUnaryMethod<Raw> next, OperationKind kind) {
    serve_unary<WireMessage, WireMessage, Raw>(reactor, name(method), service_, next, single_.handler(kind));
  };
  serve_single("Get", &Raw::RequestGet, OperationKind::kGet);
  serve_single("Set", &Raw::RequestSet, OperationKind::kSet);
  serve_single("Delete", &Raw::RequestDelete, OperationKind::kDelete);
}

}  // namespace kv
