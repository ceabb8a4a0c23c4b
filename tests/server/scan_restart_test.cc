// Tokens of scans, and servers that were killed, restarted with other shards, or replaced by another.
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>

#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
namespace v1 = kvstore::v1;

namespace {

constexpr int kKeys = 600;

// A client of its own for each call: a server that was started again has another port.
std::unique_ptr<v1::KeyValueService::Stub> connect(const RunningServer& server) {
  return v1::KeyValueService::NewStub(grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
}

grpc::Status set(const RunningServer& server, const std::string& key) {
  grpc::ClientContext context;
  v1::SetRequest request;
  request.set_key(key);
  request.set_value("v");
  request.mutable_options()->set_durability(v1::DURABILITY_OS);  // a killed process keeps it
  v1::SetResponse response;
  return connect(server)->Set(&context, request, &response);
}

void fill(const RunningServer& server) {
  for (int i = 0; i < kKeys; ++i) REQUIRE(set(server, "key " + std::to_string(i)).ok());
}

// One page: its keys are counted in `keys`, and `request` goes on behind it.
grpc::Status scan(const RunningServer& server, v1::ScanRequest& request, std::map<std::string, int>& keys) {
  grpc::ClientContext context;
  const auto stub = connect(server);
  const auto reader = stub->Scan(&context, request);
  v1::ScanResponse chunk;
  while (reader->Read(&chunk)) {
    for (const v1::Entry& entry : chunk.entries()) ++keys[entry.key()];
    request.set_resume_token(chunk.resume_token());
  }
  return reader->Finish();
}

}  // namespace

TEST_CASE(
    "scan: its token goes on after a kill and a restart with other shards, and no key is skipped or shown twice") {
  TempDirectory directory;
  RunningServer server({directory.path(), {"--mode", "aof"}, {}, {}});
  fill(server);
  v1::ScanRequest request;
  request.set_limit(150);
  std::map<std::string, int> keys;
  int pages = 0;
  for (const char* shards : {"64", "1", "1024", "4"}) {
    REQUIRE(scan(server, request, keys).ok());
    ++pages;
    if (request.resume_token().empty()) break;
    server.kill();
    server.options().flags = {"--mode", "aof", "--shards", shards};
    server.start();
  }
  CHECK(pages == 4);
  CHECK(request.resume_token().empty());
  CHECK(keys.size() == kKeys);
  for (const auto& [key, times] : keys) REQUIRE(times == 1);
}

TEST_CASE("scan: a token of another server's data is refused") {
  TempDirectory directory, other_directory;
  RunningServer server({directory.path(), {"--mode", "aof"}, {}, {}});
  RunningServer other({other_directory.path(), {"--mode", "aof"}, {}, {}});
  for (int i = 0; i < 10; ++i) {
    REQUIRE(set(server, "key " + std::to_string(i)).ok());
    REQUIRE(set(other, "key " + std::to_string(i)).ok());
  }
  v1::ScanRequest request;
  request.set_limit(5);
  std::map<std::string, int> keys;
  REQUIRE(scan(server, request, keys).ok());
  const grpc::Status refused = scan(other, request, keys);
  CHECK(refused.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK_THAT(refused.error_message(), Catch::Matchers::StartsWith("TOKEN_INVALID"));
}
