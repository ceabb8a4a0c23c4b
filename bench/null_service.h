// The services with nothing behind them: what a call costs before any work is done. The measure for the real ones.
//
// Messages go the way that the real server's go: the old service through protobuf, kvstore.v1 as bytes. Of those
// nothing is parsed here and the answer is always the same, so finding the key and writing the answer count for the
// real server.
//
// Threads: as rpc/unary.h. Lifetime: the services outlive the reactor, and the log the services.
#pragma once

#include <string>

#include "bench/null_log.h"
#include "bench/null_pipeline.h"
#include "kvstore/kvstore.grpc.pb.h"
#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "rpc/rpc_service.h"
#include "rpc/unary.h"

namespace kv {

// The old one.
class NullService final : public RpcService {
 public:
  grpc::Service& grpc_service() noexcept override { return raw_; }
  void listen(Reactor& reactor) override;

 private:
  using Raw = kvstore::KeyValueStore::WithRawMethod_Get<
      kvstore::KeyValueStore::WithRawMethod_Set<kvstore::KeyValueStore::Service>>;

  Raw raw_;
};

// What Get and Set of kvstore.v1 answer, filled in as the real server does.
kvstore::v1::GetResponse null_get_response();
kvstore::v1::SetResponse null_set_response();

// Get, Set and Pipeline of kvstore.v1. With a log Set is answered when its record is on the disk; null: at once.
class NullKeyValueService final : public RpcService {
 public:
  explicit NullKeyValueService(NullLog* log = nullptr);
  grpc::Service& grpc_service() noexcept override { return raw_; }
  void listen(Reactor& reactor) override;

 private:
  using Raw = kvstore::v1::KeyValueService::WithRawMethod_Get<kvstore::v1::KeyValueService::WithRawMethod_Set<
      kvstore::v1::KeyValueService::WithRawMethod_Pipeline<kvstore::v1::KeyValueService::Service>>>;

  Raw raw_;
  NullLog* const log_;
  const std::string get_, set_;  // answers, as their bytes
  const NullPipeline pipeline_;
};

}  // namespace kv
