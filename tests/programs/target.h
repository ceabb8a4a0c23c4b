// The server that programs run against, and one client of it. A server that was started again has another address.
//
// Threads: one. Errors: Mismatch for a call that failed and should not have.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "tests/programs/model.h"
#include "tests/support/running_server.h"

namespace kv::programs {

// An answer, or why there is none.
template <class Response>
struct Reply {
  grpc::Status status;
  Response response;
  std::string reason() const { return status.error_message().substr(0, status.error_message().find(':')); }
};

class Target {
 public:
  Target(const std::string& directory, std::vector<std::string> flags);

  // The end it comes to is one that the mode survives.
  void restart(bool kill);
  std::string log() { return server_.log(); }
  int stop() { return server_.stop(); }

  // As a call of its own.
  v1::OperationResult run(const v1::Operation& operation);
  Reply<v1::TransactResponse> transact(const v1::TransactRequest& request);
  Reply<v1::DeleteRangeResponse> delete_range(const v1::DeleteRangeRequest& request);
  // One message on a stream of its own.
  v1::PipelineResponse pipeline(const v1::PipelineRequest& request);
  std::vector<v1::GetResponse> multi_get(const v1::MultiGetRequest& request);
  std::vector<v1::Entry> scan(const v1::ScanRequest& request);

 private:
  using Stub = v1::KeyValueService::Stub;
  void connect();
  template <class Request, class Response>
  Reply<Response> call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                       const Request& request);

  RunningServer server_;
  std::unique_ptr<Stub> stub_;
};

}  // namespace kv::programs
