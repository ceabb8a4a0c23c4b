// The old service with nothing behind it: what a call costs before any work is done. The measure for the real one.
#pragma once

#include "kvstore/kvstore.grpc.pb.h"
#include "rpc/rpc_service.h"
#include "rpc/unary.h"

namespace kv {

class NullService final : public RpcService {
 public:
  grpc::Service& grpc_service() noexcept override { return raw_; }
  void listen(Reactor& reactor) override;

 private:
  using Raw = kvstore::KeyValueStore::WithRawMethod_Get<
      kvstore::KeyValueStore::WithRawMethod_Set<kvstore::KeyValueStore::Service>>;

  Raw raw_;
};

}  // namespace kv
