// kvstore.v1.KeyValueService: the list of its methods, and who answers each. A family of calls has a file of its own.
//
// Threads:  listen() before the pollers start; start_serving() once, before the engine says ready(). Lifetime: the
// engine outlives it, it outlives the reactors.
#pragma once

#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "rpc/rpc_service.h"
#include "server/many_calls.h"
#include "server/pipeline_call.h"
#include "server/scan_calls.h"
#include "server/single_calls.h"
#include "server/transact_call.h"

namespace kv {

class KeyValueService final : public RpcService {
 public:
  explicit KeyValueService(Engine& engine)
      : single_(engine), transact_(engine), many_(engine), scans_(engine), pipeline_(engine) {}

  grpc::Service& grpc_service() noexcept override { return service_; }
  void listen(Reactor& reactor) override;
  void start_serving(const Storage& storage) { scans_.start_serving(storage); }

 private:
  using Stubs = kvstore::v1::KeyValueService;
  using Single = Stubs::WithRawMethod_Get<Stubs::WithRawMethod_Set<Stubs::WithRawMethod_Delete<
      Stubs::WithRawMethod_Increment<Stubs::WithRawMethod_Append<Stubs::WithRawMethod_SetExpiry<Stubs::Service>>>>>>;
  using Many = Stubs::WithRawMethod_MultiGet<Stubs::WithRawMethod_Scan<Stubs::WithRawMethod_DeleteRange<Single>>>;
  using Raw = Stubs::WithRawMethod_Transact<Stubs::WithRawMethod_Pipeline<Many>>;

  SingleCalls single_;
  TransactCall transact_;
  ManyCalls many_;
  ScanCalls scans_;
  PipelineCall pipeline_;
  Raw service_;
};

}  // namespace kv
