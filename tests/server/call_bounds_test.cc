// --max-bytes-in-flight and --default-deadline, of the real server.
#include <chrono>
#include <memory>
#include <string>

#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>

#include "kvstore/v1/admin_service.grpc.pb.h"
#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using namespace std::chrono_literals;

namespace v1 = kvstore::v1;

namespace {

std::shared_ptr<grpc::Channel> connect(const RunningServer& server) {
  grpc::ChannelArguments own;
  own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), own);
}

std::string value_of(v1::KeyValueService::Stub& stub, const std::string& key) {
  grpc::ClientContext context;
  v1::GetRequest request;
  request.set_key(key);
  v1::GetResponse response;
  REQUIRE(stub.Get(&context, request, &response).ok());
  return response.entry().value();
}

// Adds one, and asks for a large value.
v1::PipelineRequest count_and_ask(std::uint64_t id) {
  v1::PipelineRequest request;
  request.set_id(id);
  request.add_operations()->mutable_increment()->set_key("count");
  request.mutable_operations(0)->mutable_increment()->set_delta(1);
  request.add_operations()->mutable_get()->set_key("large");
  return request;
}

}  // namespace

TEST_CASE(
    "call bounds: a pipeline's message that comes when the server is full is not carried out, and ends its stream") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--mode", "NON_PERSISTENT", "--max-bytes-in-flight", "1MiB"}, {}, {}});
  const auto stub = v1::KeyValueService::NewStub(connect(server));
  {
    grpc::ClientContext context;
    v1::SetRequest request;
    request.set_key("large");
    request.set_value(std::string(300'000, 'v'));
    v1::SetResponse response;
    REQUIRE(stub->Set(&context, request, &response).ok());
  }
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 60s);
  const auto stream = stub->Pipeline(&context);
  // More than the library takes on for a client that does not read; nothing of it is read.
  constexpr std::uint64_t kMessages = 200;
  for (std::uint64_t id = 1; id <= kMessages; ++id) stream->Write(count_and_ask(id));
  stream->WritesDone();
  v1::PipelineResponse response;
  std::uint64_t answered = 0;
  while (stream->Read(&response)) CHECK(response.id() == ++answered);
  const grpc::Status status = stream->Finish();
  CHECK(status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(status.error_message().starts_with("OVERLOADED"));
  CHECK(answered >= 3);
  CHECK(answered < kMessages);
  CHECK(value_of(*stub, "count") == std::to_string(answered));  // and there is room again
}

TEST_CASE("call bounds: --default-deadline ends a call that set none, and no other") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--default-deadline", "1ms"}, {}, {}});
  const auto stub = v1::AdminService::NewStub(connect(server));
  const auto snapshot = [&](bool patient) {
    grpc::ClientContext context;
    if (patient) context.set_deadline(std::chrono::system_clock::now() + 60s);
    v1::CreateSnapshotRequest request;
    request.set_wait(true);  // for a child process and several syncs: more than a millisecond
    v1::CreateSnapshotResponse response;
    return stub->CreateSnapshot(&context, request, &response).error_code();
  };
  CHECK(snapshot(true) == grpc::StatusCode::OK);
  CHECK(snapshot(false) == grpc::StatusCode::DEADLINE_EXCEEDED);
  CHECK(snapshot(true) == grpc::StatusCode::OK);
  CHECK(server.stop() == 0);
}
