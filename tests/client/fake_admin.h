// The admin service of a fake server: answers what the test put there, and remembers what it was asked.
// Threads: set the answers before the calls; the calls run on gRPC's threads, one after the other in these tests.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "kvstore/v1/admin_service.grpc.pb.h"

namespace kv {

class FakeAdmin final : public kvstore::v1::AdminService::Service {
 public:
  grpc::Status answer;  // Of every call, when it is not OK.
  kvstore::v1::GetStatusResponse status;
  kvstore::v1::GetConfigResponse config;
  kvstore::v1::UpdateConfigResponse updated;
  kvstore::v1::CreateSnapshotResponse snapshot;
  kvstore::v1::ListSnapshotsResponse snapshots;
  kvstore::v1::RewriteLogResponse rewritten;
  std::vector<kvstore::v1::GetStatsResponse> stats;  // One a call; the last one from then on.
  std::vector<kvstore::v1::ListSlowRequestsResponse> slow;
  kvstore::v1::ListBigKeysResponse big;

  kvstore::v1::UpdateConfigRequest asked_update;
  bool asked_to_wait = false;
  std::atomic<int> calls{0};
  std::uint32_t asked_limit = 0;

 private:
  template <class T>
  using Ask = const T*;
  grpc::Status GetStatus(grpc::ServerContext*, Ask<kvstore::v1::GetStatusRequest>,
                         kvstore::v1::GetStatusResponse* response) override {
    return give(status, response);
  }
  grpc::Status GetConfig(grpc::ServerContext*, Ask<kvstore::v1::GetConfigRequest>,
                         kvstore::v1::GetConfigResponse* response) override {
    return give(config, response);
  }
  grpc::Status UpdateConfig(grpc::ServerContext*, Ask<kvstore::v1::UpdateConfigRequest> request,
                            kvstore::v1::UpdateConfigResponse* response) override {
    asked_update = *request;
    return give(updated, response);
  }
  grpc::Status CreateSnapshot(grpc::ServerContext*, Ask<kvstore::v1::CreateSnapshotRequest> request,
                              kvstore::v1::CreateSnapshotResponse* response) override {
    asked_to_wait = request->wait();
    return give(snapshot, response);
  }
  grpc::Status ListSnapshots(grpc::ServerContext*, Ask<kvstore::v1::ListSnapshotsRequest>,
                             kvstore::v1::ListSnapshotsResponse* response) override {
    return give(snapshots, response);
  }
  grpc::Status RewriteLog(grpc::ServerContext*, Ask<kvstore::v1::RewriteLogRequest> request,
                          kvstore::v1::RewriteLogResponse* response) override {
    asked_to_wait = request->wait();
    return give(rewritten, response);
  }

  grpc::Status GetStats(grpc::ServerContext*, Ask<kvstore::v1::GetStatsRequest>,
                        kvstore::v1::GetStatsResponse* response) override {
    return give(one_of(stats), response);
  }
  grpc::Status ListSlowRequests(grpc::ServerContext*, Ask<kvstore::v1::ListSlowRequestsRequest> request,
                                kvstore::v1::ListSlowRequestsResponse* response) override {
    asked_limit = request->limit();
    return give(one_of(slow), response);
  }
  grpc::Status ListBigKeys(grpc::ServerContext*, Ask<kvstore::v1::ListBigKeysRequest> request,
                           kvstore::v1::ListBigKeysResponse* response) override {
    asked_limit = request->limit();
    return give(big, response);
  }

  template <class Response>
  Response one_of(const std::vector<Response>& answers) const {
    if (answers.empty()) return {};
    const auto asked = static_cast<std::size_t>(calls.load());
    return answers[std::min(asked, answers.size() - 1)];
  }
  template <class Response>
  grpc::Status give(const Response& from, Response* to) {
    ++calls;
    *to = from;
    return answer;
  }
};

}  // namespace kv
