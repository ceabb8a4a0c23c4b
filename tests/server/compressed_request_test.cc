// The built server and clients that compress: what they ask for is done, and nobody makes it unpack more than a message
// may have.
#include <fstream>
#include <string>

#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "tests/support/packed_message.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;

struct Server : RunningServer {
  explicit Server(const std::string& directory) : RunningServer({directory, {}, {}, {}}) {
    channel = grpc::CreateChannel(address(), grpc::InsecureChannelCredentials());
  }
  // The most memory that it ever had.
  std::size_t peak_bytes() const {
    std::ifstream status("/proc/" + std::to_string(pid()) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) << 10;
    }
    FAIL("no VmHWM");
    return 0;
  }
  std::shared_ptr<grpc::Channel> channel;
};

const std::string kValue(1'000'000, 'v');

TEST_CASE("compressed: Set, Get, Pipeline and the old Set do what they do for everybody") {
  const TempDirectory place;
  Server server(place.path());
  {
    grpc::ClientContext context;
    context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    kvstore::SetRequest request;
    request.set_key("old");
    request.set_value(kValue);
    google::protobuf::Empty response;
    REQUIRE(kvstore::KeyValueStore::NewStub(server.channel)->Set(&context, request, &response).ok());
  }
  const auto stub = v1::KeyValueService::NewStub(server.channel);
  {
    grpc::ClientContext context;
    context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    v1::SetRequest request;
    request.set_key("new");
    request.set_value(kValue);
    v1::SetResponse response;
    REQUIRE(stub->Set(&context, request, &response).ok());
  }
  {
    grpc::ClientContext context;
    context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    const auto stream = stub->Pipeline(&context);
    for (std::uint64_t id = 1; id <= 3; ++id) {
      v1::PipelineRequest request;
      request.set_id(id);
      auto& set = *request.add_operations()->mutable_set();
      set.set_key("piped " + std::to_string(id));
      set.set_value(kValue);
      REQUIRE(stream->Write(request));
      v1::PipelineResponse response;
      REQUIRE(stream->Read(&response));
      CHECK(response.id() == id);
    }
    stream->WritesDone();
    CHECK(stream->Finish().ok());
  }
  for (const char* key : {"old", "new", "piped 1", "piped 3"}) {
    grpc::ClientContext context;
    context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    v1::GetRequest request;
    request.set_key(key);
    v1::GetResponse response;
    REQUIRE(stub->Get(&context, request, &response).ok());
    CHECK(response.entry().value() == kValue);
  }
}

TEST_CASE(
    "compressed: half a gigabyte in a few hundred kilobytes is refused on every kind of call, and costs no memory") {
  const TempDirectory place;
  Server server(place.path());
  const auto algorithm = GENERATE(GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE);
  const std::string bomb = packed("\x0a\x01k", algorithm, 500'000'000);
  REQUIRE(bomb.size() < 1'000'000);
  const std::size_t before = server.peak_bytes();
  for (const char* method :
       {"/kvstore.KeyValueStore/Set", "/kvstore.v1.KeyValueService/Set", "/kvstore.v1.KeyValueService/Scan",
        "/kvstore.v1.KeyValueService/Pipeline", "/kvstore.v1.AdminService/GetConfig", "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch"}) {
    INFO(method);
    const PackedReply reply = call_packed(server.channel, method, bomb, algorithm);
    CHECK(reply.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
    CHECK(reply.status.error_message().starts_with("Received message larger than max ("));
  }
  // Those of the library's own do not unpack at all.
  for (const char* method :
       {"/grpc.channelz.v1.Channelz/GetServers", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    INFO(method);
    CHECK(call_packed(server.channel, method, bomb, algorithm).answer.empty());
  }
  CHECK(server.peak_bytes() - before < 64 << 20);
  CHECK(server.running());
}

}  // namespace
}  // namespace kv
