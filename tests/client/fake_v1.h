// The new service of a fake server: a map of entries with versions, and of the last write what came with it.
// Threads: the calls run on gRPC's threads; the members are guarded.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "kvstore/v1/key_value_service.grpc.pb.h"

namespace kv {

class FakeServer;

class FakeV1 final : public kvstore::v1::KeyValueService::Service {
 public:
  explicit FakeV1(FakeServer& server) : server_(server) {}

  bool absent = false;               // The original server: only the old service.
  std::atomic<int> lost_answers{0};  // So many writes are done and then fail with UNAVAILABLE.

  kvstore::v1::WriteOptions last_options();
  std::set<std::string> request_ids();

 private:
  template <class T>
  using Ask = const T*;
  grpc::Status Get(grpc::ServerContext* context, Ask<kvstore::v1::GetRequest> request,
                   kvstore::v1::GetResponse* response) override;
  grpc::Status Set(grpc::ServerContext* context, Ask<kvstore::v1::SetRequest> request,
                   kvstore::v1::SetResponse* response) override;
  grpc::Status Delete(grpc::ServerContext* context, Ask<kvstore::v1::DeleteRequest> request,
                      kvstore::v1::DeleteResponse* response) override;

  // Not OK: the answer instead of the real one.
  grpc::Status begin(grpc::ServerContext* context);
  grpc::Status end(const kvstore::v1::WriteOptions& options, kvstore::v1::WriteResult* write);

  FakeServer& server_;
  std::mutex mutex_;
  kvstore::v1::WriteOptions last_options_;
  std::set<std::string> request_ids_;
  std::map<std::string, std::uint64_t> versions_;
  std::uint64_t revision_ = 6;
};

}  // namespace kv
