// What a server serves: a registered gRPC service and how its methods are listened for.
// Lifetime: outlives the server it is given to.
#pragma once

#include <grpcpp/impl/service_type.h>

#include "rpc/reactor.h"

namespace kv {

class RpcService {
 public:
  virtual grpc::Service& grpc_service() noexcept = 0;
  // Once per reactor, before any poller runs: serve_unary() for every method.
  virtual void listen(Reactor& reactor) = 0;

 protected:
  ~RpcService() = default;
};

}  // namespace kv
