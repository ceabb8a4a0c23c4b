// --max-memory of the real server, as a process: who is refused, what is told, how it heals, and a start above it.
#include <string>

#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "kvstore/v1/admin_service.grpc.pb.h"
#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using Catch::Matchers::Contains;
using grpc::StatusCode;

namespace v1 = kvstore::v1;

namespace {

struct Client {
  explicit Client(const RunningServer& server)
      : channel(grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials())),
        stub(kvstore::KeyValueStore::NewStub(channel)),
        admin(v1::AdminService::NewStub(channel)),
        keys(v1::KeyValueService::NewStub(channel)) {}

  grpc::Status set(const std::string& key, std::size_t value_bytes) {
    grpc::ClientContext context;
    kvstore::SetRequest request;
    request.set_key(key);
    request.set_value(std::string(value_bytes, 'v'));
    google::protobuf::Empty answer;
    return stub->Set(&context, request, &answer);
  }
  std::size_t bytes_of(const std::string& key) {
    grpc::ClientContext context;
    kvstore::GetRequest request;
    request.set_key(key);
    kvstore::GetResponse answer;
    REQUIRE(stub->Get(&context, request, &answer).ok());
    return answer.value().size();
  }
  bool remove(const std::string& key) {
    grpc::ClientContext context;
    kvstore::DelRequest request;
    request.set_key(key);
    kvstore::DelResponse answer;
    REQUIRE(stub->Del(&context, request, &answer).ok());
    return answer.success();
  }
  grpc::Status transact(const v1::TransactRequest& request) {
    grpc::ClientContext context;
    v1::TransactResponse answer;
    return keys->Transact(&context, request, &answer);
  }
  v1::GetStatusResponse status() {
    grpc::ClientContext context;
    v1::GetStatusResponse answer;
    REQUIRE(admin->GetStatus(&context, v1::GetStatusRequest(), &answer).ok());
    return answer;
  }
  void limit(std::uint64_t bytes) {
    grpc::ClientContext context;
    v1::UpdateConfigRequest request;
    request.mutable_config()->set_max_memory_bytes(bytes);
    request.mutable_update_mask()->add_paths("max_memory_bytes");
    v1::UpdateConfigResponse answer;
    const grpc::Status changed = admin->UpdateConfig(&context, request, &answer);
    INFO(changed.error_message());
    REQUIRE(changed.ok());
  }
  // Keys "0", "1" and so on of a MiB each, until one is refused; how many were taken.
  int fill() {
    for (int i = 0;; ++i) {
      const grpc::Status written = set(std::to_string(i), 1 << 20);
      if (written.ok()) continue;
      CHECK(written.error_code() == StatusCode::RESOURCE_EXHAUSTED);
      CHECK_THAT(written.error_message(), Contains("MEMORY_LIMIT"));
      return i;
    }
  }

  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<kvstore::KeyValueStore::Stub> stub;
  std::unique_ptr<v1::AdminService::Stub> admin;
  std::unique_ptr<v1::KeyValueService::Stub> keys;
};

}  // namespace

TEST_CASE("memory limit: writes are refused and nothing is lost, reads and deletes go on, and it heals by itself") {
  TempDirectory directory;
  RunningServer server(
      {directory.file("data"), {"--mode", "AOF", "--fsync", "never", "--max-memory", "16MiB"}, {}, {}});
  Client client(server);
  const int taken = client.fill();
  CHECK(taken >= 10);
  CHECK(taken <= 16);
  server.wait_for_line("the limit of memory (16MiB) is reached: writes are refused, deletes and reads go on");
  const v1::GetStatusResponse full = client.status();
  CHECK_FALSE(full.accepting_writes());
  REQUIRE(full.alarms_size() == 1);
  CHECK(full.alarms(0) == "MEMORY_LIMIT");
  CHECK(client.bytes_of("0") == 1 << 20);
  CHECK(client.bytes_of(std::to_string(taken)) == 0);  // the refused one is nowhere

  for (int i = 0; i < taken / 2; ++i) CHECK(client.remove(std::to_string(i)));
  CHECK(client.set("again", 1 << 20).ok());
  server.wait_for_line("there is memory again: writes are accepted");
  CHECK(client.status().accepting_writes());
  CHECK(client.status().alarms_size() == 0);
  CHECK(server.stop() == 0);
}

TEST_CASE("memory limit: a transaction that only removes works, one that adds is refused as a whole") {
  TempDirectory directory;
  RunningServer server(
      {directory.file("data"), {"--mode", "AOF", "--fsync", "never", "--max-memory", "16MiB"}, {}, {}});
  Client client(server);
  REQUIRE(client.fill() > 2);
  v1::TransactRequest both;
  both.add_then()->mutable_delete_()->set_key("0");
  auto& set = *both.add_then()->mutable_set();
  set.set_key("more");
  set.set_value(std::string(2 << 20, 'v'));
  const grpc::Status refused = client.transact(both);
  CHECK(refused.error_code() == StatusCode::RESOURCE_EXHAUSTED);
  CHECK_THAT(refused.error_message(), Contains("MEMORY_LIMIT"));
  CHECK(client.bytes_of("0") == 1 << 20);
  CHECK(client.bytes_of("more") == 0);

  v1::TransactRequest removal;
  for (const char* key : {"0", "1"}) removal.add_then()->mutable_delete_()->set_key(key);
  CHECK(client.transact(removal).ok());
  CHECK(client.bytes_of("0") == 0);
  CHECK(client.set("again", 1 << 20).ok());
  CHECK(server.stop() == 0);
}

TEST_CASE("memory limit: it changes while the server runs, with the answer, and is still there after a kill") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--mode", "AOF", "--max-memory", "8MiB"}, {}, {}});
  const int taken = Client(server).fill();
  Client(server).limit(64 << 20);
  CHECK(Client(server).set("more", 1 << 20).ok());
  Client(server).limit(2 << 20);
  CHECK(Client(server).set("k", 1).error_code() == StatusCode::RESOURCE_EXHAUSTED);
  server.kill();
  server.start();
  // More than the limit was loaded: it is served, it can be removed, and then there is room.
  CHECK_THAT(server.log(), Contains("data may have 2MiB of memory"));
  CHECK(Client(server).bytes_of("0") == 1 << 20);
  CHECK(Client(server).set("k", 1).error_code() == StatusCode::RESOURCE_EXHAUSTED);
  for (int i = 0; i < taken; ++i) CHECK(Client(server).remove(std::to_string(i)));
  CHECK(Client(server).remove("more"));
  CHECK(Client(server).set("k", 1).ok());
}

TEST_CASE("memory limit: without a word from anybody it is a part of what the machine has") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {}, {}, {}});
  CHECK_THAT(server.log(), Contains("setting max-memory = auto (default)") && Contains("data may have "));
  server.options().flags = {"--max-memory", "64KiB"};
  CHECK(server.start_that_ends() == 2);
  CHECK_THAT(server.log(), Contains("--max-memory is '64KiB', but must be auto, or 1MiB to 1024TiB"));
}
