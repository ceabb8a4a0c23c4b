#include "tests/programs/target.h"

#include <chrono>
#include <stdexcept>

namespace kv::programs {
namespace {

// Far above what a call takes: one that takes longer hangs.
void set_bound(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
}

void expect_ok(const grpc::Status& status) { expect(status.ok(), "a call failed: " + status.error_message()); }

v1::OperationError error_of(const grpc::Status& status, const std::string& reason) {
  v1::OperationError error;
  error.set_code(status.error_code());
  error.set_reason(reason);
  error.set_message(status.error_message());
  return error;
}

}  // namespace

Target::Target(const std::string& directory, std::vector<std::string> flags)
    : server_({.data_directory = directory, .flags = std::move(flags), .environment = {}, .wrapper = {}}) {
  connect();
}

void Target::connect() {
  grpc::ChannelArguments own;
  own.SetInt("grpc.use_local_subchannel_pool", 1);
  own.SetMaxReceiveMessageSize(-1);
  stub_ = v1::KeyValueService::NewStub(
      grpc::CreateCustomChannel(server_.address(), grpc::InsecureChannelCredentials(), own));
}

void Target::restart(bool kill) {
  if (kill) {
    server_.kill();
  } else if (const int code = server_.stop(); code != 0) {
    throw Mismatch("a stop ended with " + std::to_string(code));
  }
  server_.start();
  connect();
}

template <class Request, class Response>
Reply<Response> Target::call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                             const Request& request) {
  grpc::ClientContext context;
  set_bound(context);
  Reply<Response> reply;
  reply.status = ((*stub_).*method)(&context, request, &reply.response);
  return reply;
}

v1::OperationResult Target::run(const v1::Operation& operation) {
  v1::OperationResult result;
  const auto put = [&](auto method, const auto& request, auto* arm) {
    auto reply = call(method, request);
    if (reply.status.ok()) {
      arm->Swap(&reply.response);
    } else {
      *result.mutable_error() = error_of(reply.status, reply.reason());
    }
  };
  switch (operation.op_case()) {
    case v1::Operation::kGet:
      put(&Stub::Get, operation.get(), result.mutable_get());
      break;
    case v1::Operation::kSet:
      put(&Stub::Set, operation.set(), result.mutable_set());
      break;
    case v1::Operation::kDelete:
      put(&Stub::Delete, operation.delete_(), result.mutable_delete_());
      break;
    case v1::Operation::kIncrement:
      put(&Stub::Increment, operation.increment(), result.mutable_increment());
      break;
    case v1::Operation::kAppend:
      put(&Stub::Append, operation.append(), result.mutable_append());
      break;
    case v1::Operation::kSetExpiry:
      put(&Stub::SetExpiry, operation.set_expiry(), result.mutable_set_expiry());
      break;
    case v1::Operation::OP_NOT_SET:
      break;
  }
  return result;
}

Reply<v1::TransactResponse> Target::transact(const v1::TransactRequest& request) {
  return call(&Stub::Transact, request);
}

Reply<v1::DeleteRangeResponse> Target::delete_range(const v1::DeleteRangeRequest& request) {
  return call(&Stub::DeleteRange, request);
}

v1::PipelineResponse Target::pipeline(const v1::PipelineRequest& request) {
  grpc::ClientContext context;
  set_bound(context);
  const auto stream = stub_->Pipeline(&context);
  stream->Write(request);
  stream->WritesDone();
  v1::PipelineResponse response, another;
  const bool answered = stream->Read(&response);
  const bool twice = answered && stream->Read(&another);
  expect_ok(stream->Finish());
  expect(answered && !twice, "a message of a pipeline has not one answer");
  expect(response.id() == request.id(), "an answer of a pipeline with another id");
  return response;
}

std::vector<v1::GetResponse> Target::multi_get(const v1::MultiGetRequest& request) {
  grpc::ClientContext context;
  set_bound(context);
  const auto stream = stub_->MultiGet(&context, request);
  std::vector<v1::GetResponse> results;
  v1::MultiGetResponse chunk;
  while (stream->Read(&chunk)) {
    expect(chunk.first_index() == results.size(), "a chunk of MultiGet begins at another index");
    results.insert(results.end(), chunk.results().begin(), chunk.results().end());
  }
  expect_ok(stream->Finish());
  return results;
}

std::vector<v1::Entry> Target::scan(const v1::ScanRequest& request) {
  grpc::ClientContext context;
  set_bound(context);
  const auto stream = stub_->Scan(&context, request);
  std::vector<v1::Entry> entries;
  v1::ScanResponse chunk;
  while (stream->Read(&chunk)) entries.insert(entries.end(), chunk.entries().begin(), chunk.entries().end());
  expect_ok(stream->Finish());
  return entries;
}

}  // namespace kv::programs
