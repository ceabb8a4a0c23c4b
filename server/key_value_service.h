// kvstore.v1.KeyValueService: the list of its methods, and who answers each. A family of calls has a file of its own.
//
// Threads:  listen() before the pollers start. Lifetime: the engine outlives it, it outlives the reactors.
#pragma once

#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "rpc/rpc_service.h"
#include "server/single_calls.h"

namespace kv {

class KeyValueService final : public RpcService {
 public:
  explicit KeyValueService(Engine& engine) : single_(engine) {}

  grpc::Service& grpc_service() noexcept override { return service_; }
  void listen(Reactor& reactor) override;

 private:
  using Stubs = kvstore::v1::KeyValueService;
  using Raw = Stubs::WithRawMethod_Get<Stubs::WithRawMethod_Set<Stubs::WithRawMethod_Delete<Stubs::Service>>>;

  SingleCalls single_;
  Raw service_;
};

}  // namespace kv
