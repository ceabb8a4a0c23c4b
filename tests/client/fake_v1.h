// The new service of a fake server: a map of entries with versions, and of the last write what came with it.
// Threads: the calls run on gRPC's threads; the members are guarded.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

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

  // Of Pipeline.
  std::atomic<bool> holds_messages{false};  // What was read is not looked at, until it is false again.
  std::atomic<bool> deaf{false};            // A stream that begins now is never looked at, until it is given up.
  std::function<void(kvstore::v1::PipelineResponse&)> spoils;  // Every answer, before it is sent; may be empty.
  std::vector<int> message_sizes();                            // Operations of each message that came.

 private:
  template <class T>
  using Ask = const T*;
  grpc::Status Get(grpc::ServerContext* context, Ask<kvstore::v1::GetRequest> request,
                   kvstore::v1::GetResponse* response) override;
  grpc::Status Set(grpc::ServerContext* context, Ask<kvstore::v1::SetRequest> request,
                   kvstore::v1::SetResponse* response) override;
  grpc::Status Delete(grpc::ServerContext* context, Ask<kvstore::v1::DeleteRequest> request,
                      kvstore::v1::DeleteResponse* response) override;

  grpc::Status Pipeline(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<kvstore::v1::PipelineResponse, kvstore::v1::PipelineRequest>* stream) override;
  grpc::Status carry_out(grpc::ServerContext* context, const kvstore::v1::Operation& operation,
                         kvstore::v1::OperationResult& result);

  // Not OK: the answer instead of the real one.
  grpc::Status begin(grpc::ServerContext* context);
  grpc::Status end(const kvstore::v1::WriteOptions& options, kvstore::v1::WriteResult* write);

  FakeServer& server_;
  std::mutex mutex_;
  kvstore::v1::WriteOptions last_options_;
  std::set<std::string> request_ids_;
  std::vector<int> message_sizes_;
  std::map<std::string, std::uint64_t> versions_;
  std::uint64_t revision_ = 6;
};

}  // namespace kv
