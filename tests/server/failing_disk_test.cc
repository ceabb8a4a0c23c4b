// The built server on a disk that fails or hangs while it runs: what its callers are told, and what a restart finds.
#include <csignal>
#include <future>

#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "tests/support/disk_faults.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

using Catch::Matchers::Contains;

class Caller {
 public:
  explicit Caller(const RunningServer& server)
      : stub_(kvstore::KeyValueStore::NewStub(
            grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()))) {}

  grpc::Status set(const std::string& key, const std::string& value) {
    grpc::ClientContext context;
    kvstore::SetRequest request;
    request.set_key(key);
    request.set_value(value);
    google::protobuf::Empty answer;
    return stub_->Set(&context, request, &answer);
  }
  // The value, or the error's words.
  std::string get(const std::string& key) {
    grpc::ClientContext context;
    kvstore::GetRequest request;
    request.set_key(key);
    kvstore::GetResponse answer;
    const grpc::Status status = stub_->Get(&context, request, &answer);
    return status.ok() ? answer.value() : status.error_message();
  }

 private:
  std::unique_ptr<kvstore::KeyValueStore::Stub> stub_;
};

struct FailingDisk {
  explicit FailingDisk(std::vector<std::string> flags)
      : server({directory.file("data"), std::move(flags), faults.environment(), {}}) {}

  std::string get(const std::string& key) const { return Caller(server).get(key); }
  grpc::Status set(const std::string& key, const std::string& value) const { return Caller(server).set(key, value); }
  template <class Call>
  auto meanwhile(Call call) {
    return std::async(std::launch::async, [this, call] {
      Caller caller(server);
      return call(caller);
    });
  }

  TempDirectory directory;
  DiskFaults faults;
  RunningServer server;
};

template <class Result>
bool waits(const std::future<Result>& call) {
  return call.wait_for(std::chrono::seconds(0)) == std::future_status::timeout;
}

}  // namespace

TEST_CASE("failing disk: with exit a failed sync ends the process with 6, and a restart has all that was promised") {
  FailingDisk disk({"--mode", "AOF", "--on-disk-failure", "exit"});
  REQUIRE(disk.set("promised", "value").ok());
  disk.faults.begin("sync_fails");
  const grpc::Status unknown = disk.set("in doubt", "value");
  CHECK(unknown.error_code() == grpc::StatusCode::UNKNOWN);
  CHECK_THAT(unknown.error_message(), Contains("OUTCOME_UNKNOWN"));
  REQUIRE(disk.server.exit_code_within(std::chrono::seconds(30)) == 6);
  CHECK_THAT(disk.server.log(), Contains("the disk failed, writes are refused until a restart") &&
                                    Contains("--on-disk-failure is exit") && Contains("not everything was saved"));
  disk.faults.end("sync_fails");
  disk.server.start();  // as a supervisor would
  CHECK(disk.get("promised") == "value");
  const std::string in_doubt = disk.get("in doubt");
  CHECK((in_doubt == "value" || in_doubt.empty()));
  REQUIRE(disk.set("after", "value").ok());
  disk.server.kill();
  disk.server.start();
  CHECK(disk.get("in doubt") == in_doubt);  // what was shown once stays
  CHECK(disk.get("after") == "value");
}

TEST_CASE("failing disk: without exit reads go on after a failed sync, writes are refused, and the stop exits 6") {
  FailingDisk disk({"--mode", "AOF"});
  REQUIRE(disk.set("promised", "value").ok());
  disk.faults.begin("sync_fails");
  CHECK_THAT(disk.set("in doubt", "value").error_message(), Contains("OUTCOME_UNKNOWN"));
  disk.faults.end("sync_fails");
  CHECK_THAT(disk.set("refused", "value").error_message(), Contains("WRITES_SUSPENDED"));
  CHECK(disk.get("promised") == "value");
  CHECK_THAT(disk.get("in doubt"), Contains("NOT_DURABLE"));
  CHECK(disk.get("missing").empty());
  CHECK(disk.server.stop() == 6);
}

TEST_CASE("failing disk: while the log's sync hangs only writes wait, and reads of what they changed") {
  FailingDisk disk({"--mode", "HYBRID"});
  REQUIRE(disk.set("old", "value").ok());
  disk.faults.begin("sync_hangs");
  auto write = disk.meanwhile([](Caller& caller) { return caller.set("changed", "value"); });
  disk.faults.wait_until_delivered();
  auto read = disk.meanwhile([](Caller& caller) { return caller.get("changed"); });
  auto next = disk.meanwhile([](Caller& caller) { return caller.set("queued", "value"); });
  for (int i = 0; i < 200; ++i) REQUIRE(disk.get("old") == "value");
  CHECK(waits(write));
  CHECK(waits(read));
  CHECK(waits(next));
  disk.faults.end("sync_hangs");
  CHECK(write.get().ok());
  CHECK(read.get() == "value");
  CHECK(next.get().ok());
  disk.server.kill();
  disk.server.start();
  CHECK(disk.get("changed") == "value");
  CHECK(disk.get("queued") == "value");
}

TEST_CASE("failing disk: a write that a stop cannot wait for is told that its outcome is unknown") {
  FailingDisk disk({"--mode", "AOF", "--stop-timeout", "300ms"});
  REQUIRE(disk.set("promised", "value").ok());
  disk.faults.begin("sync_hangs");
  auto write = disk.meanwhile([](Caller& caller) { return caller.set("in doubt", "value"); });
  disk.faults.wait_until_delivered();
  disk.server.signal(SIGTERM);
  const grpc::Status status = write.get();
  CHECK(status.error_code() == grpc::StatusCode::UNKNOWN);
  CHECK_THAT(status.error_message(), Contains("OUTCOME_UNKNOWN"));
  disk.faults.end("sync_hangs");
  CHECK(disk.server.exit_code() == 0);
  disk.server.start();
  CHECK(disk.get("promised") == "value");
}

}  // namespace kv
