// The built server as a process: exit codes, signals, what a restart keeps, what HTTP and health say.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/descriptor.h"
#include "kvstore/kvstore.grpc.pb.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using Catch::Matchers::Contains;

namespace {

// A client of its own for each call: a server that was killed and started again has another port.
struct Client {
  explicit Client(const RunningServer& server) : Client(server.address()) {}
  explicit Client(const std::string& address)
      : stub(kvstore::KeyValueStore::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))) {}

  bool set(const std::string& key, const std::string& value) {
    grpc::ClientContext context;
    kvstore::SetRequest request;
    request.set_key(key);
    request.set_value(value);
    google::protobuf::Empty answer;
    return stub->Set(&context, request, &answer).ok();
  }
  std::string get(const std::string& key) {
    grpc::ClientContext context;
    kvstore::GetRequest request;
    request.set_key(key);
    kvstore::GetResponse answer;
    const grpc::Status status = stub->Get(&context, request, &answer);
    return status.ok() ? answer.value() : status.error_message();
  }
  grpc::Status config(kvstore::StorageMode mode) {
    grpc::ClientContext context;
    kvstore::ConfigRequest request;
    request.set_storage_mode(mode);
    kvstore::ConfigResponse answer;
    return stub->Config(&context, request, &answer);
  }

  std::unique_ptr<kvstore::KeyValueStore::Stub> stub;
};

// The bytes of the health service's answer, or NOT_FOUND for a name it does not know.
std::string health(const RunningServer& server, const std::string& name) {
  grpc::GenericStub stub(grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  const grpc::Slice request(name.empty() ? name : std::string("\x0a") + static_cast<char>(name.size()) + name);
  const auto call =
      stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::ByteBuffer(&request, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->Finish(&answer, &status, &context);
  void* tag = nullptr;
  bool ok = false;
  REQUIRE(queue.Next(&tag, &ok));
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return "NOT_FOUND";
  grpc::Slice bytes;
  REQUIRE(answer.DumpToSingleSlice(&bytes).ok());
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

Descriptor connected_to(int port) {
  Descriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

std::string http_get(int port, const std::string& path) {
  const Descriptor fd = connected_to(port);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  REQUIRE(::write(fd.get(), request.data(), request.size()) == static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t got = ::read(fd.get(), buffer, sizeof buffer); got > 0; got = ::read(fd.get(), buffer, sizeof buffer)) {
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  return answer;
}

int http_port(RunningServer& server) {
  const std::string line = server.wait_for_line("metrics and probes on port ");
  return std::stoi(line.substr(line.find("on port ") + 8));
}

}  // namespace

TEST_CASE("process: a clean stop exits 0 and every mode with files finds its keys again") {
  for (const char* mode : {"SNAPSHOT", "AOF", "HYBRID"}) {
    CAPTURE(mode);
    TempDirectory directory;
    RunningServer server({directory.file("data"), {"--mode", mode}, {}, {}});
    for (int i = 0; i < 50; ++i) REQUIRE(Client(server).set("k" + std::to_string(i), "v" + std::to_string(i)));
    CHECK(server.stop() == 0);
    server.start();
    for (int i = 0; i < 50; ++i) CHECK(Client(server).get("k" + std::to_string(i)) == "v" + std::to_string(i));
    CHECK_THAT(server.log(), Contains("after a clean stop"));
    CHECK(server.stop() == 0);
  }
}

TEST_CASE("process: a killed server finds every key again in AOF and HYBRID") {
  for (const char* mode : {"AOF", "HYBRID"}) {
    CAPTURE(mode);
    TempDirectory directory;
    RunningServer server({directory.file("data"), {"--mode", mode}, {}, {}});
    for (int i = 0; i < 50; ++i) REQUIRE(Client(server).set("k" + std::to_string(i), "v" + std::to_string(i)));
    server.kill();
    server.start();
    for (int i = 0; i < 50; ++i) CHECK(Client(server).get("k" + std::to_string(i)) == "v" + std::to_string(i));
    CHECK_THAT(server.log(), Contains("after a stop that was not clean"));
  }
}

TEST_CASE("D2: a mode that was set at run time is still the mode after a restart") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {}, {}, {}});
  REQUIRE(Client(server).set("k", "v"));
  REQUIRE(Client(server).config(kvstore::AOF).ok());
  CHECK(server.stop() == 0);
  server.start();
  CHECK_THAT(server.log(), Contains("in effect mode = AOF"));
  CHECK(Client(server).get("k") == "v");
}

TEST_CASE("process: the start log says where every setting came from, and warns of an open address") {
  TempDirectory directory;
  RunningServer server(
      {directory.file("data"), {"--shards", "8", "--listen", "0.0.0.0:0"}, {{"KVSTORE_MAX_SNAPSHOTS", "7"}}, {}});
  CHECK_THAT(server.log(), Contains("setting shards = 8 (--shards)") &&
                               Contains("setting max-snapshots = 7 (KVSTORE_MAX_SNAPSHOTS)") &&
                               Contains("setting mode = HYBRID (default)") && Contains("fresh start") &&
                               Contains("listening on 0.0.0.0:0: everybody who can connect"));
  // Once, and as a person would write it.
  CHECK_THAT(server.log(), Contains("setting log-rewrite-growth = 100% (default)") && !Contains("in effect "));
  CHECK_THAT(server.log(), Catch::Matches("[^]*data may have \\d+MiB of memory, requests and answers \\d+MiB\n[^]*"));
}

TEST_CASE("process: bad settings exit 2 before anything is touched") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {}, {}, {}});
  server.stop();
  std::filesystem::remove_all(directory.file("data"));
  server.options().flags = {"--fsync", "sometimes"};
  CHECK(server.start_that_ends() == 2);
  CHECK_THAT(server.log(), Contains("CONFIG_INVALID"));
  CHECK_FALSE(std::filesystem::exists(directory.file("data")));
  server.options().flags = {"--check-config"};
  CHECK(server.start_that_ends() == 0);
  server.options().flags = {"--print-config"};
  CHECK(server.start_that_ends() == 0);
  CHECK_THAT(server.log(), Contains("# default\nmode = \"HYBRID\""));
  server.options().flags = {"--version"};
  CHECK(server.start_that_ends() == 0);
  CHECK_FALSE(std::filesystem::exists(directory.file("data")));
}

TEST_CASE("process: a second server on the same data exits 4, and the first one goes on") {
  TempDirectory directory;
  RunningServer first({directory.file("data"), {}, {}, {}});
  TempDirectory other;
  RunningServer second({other.file("data"), {}, {}, {}});
  second.stop();
  second.options().data_directory = first.data_directory();
  CHECK(second.start_that_ends() == 4);
  // Who it is that has the data is told before who has the address.
  second.options().flags = {"--listen", first.address()};
  CHECK(second.start_that_ends() == 4);
  CHECK(Client(first).set("k", "v"));
}

TEST_CASE("process: an address in use exits 5 and names it, and leaves the data alone") {
  TempDirectory directory;
  RunningServer first({directory.file("a"), {}, {}, {}});
  RunningServer second({directory.file("b"), {}, {}, {}});
  REQUIRE(Client(second).set("k", "v"));
  second.stop();
  for (const char* flag : {"--listen", "--http-listen"}) {
    second.options().flags = {flag, first.address()};
    CHECK(second.start_that_ends() == 5);
    CHECK_THAT(second.log(), Contains(first.address()));
  }
  second.options().flags = {};
  second.start();
  CHECK(Client(second).get("k") == "v");
}

TEST_CASE("process: a data directory that cannot be made exits 1 and names the path") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {}, {}, {}});
  server.stop();
  std::ofstream(directory.file("file")) << "in the way";
  server.options().data_directory = directory.file("file/data");
  CHECK(server.start_that_ends() == 1);
  CHECK_THAT(server.log(), Contains(directory.file("file/data")));
}

TEST_CASE("process: a data directory that may not be written exits 1, naming it, and writes nothing") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {}, {}, {}});
  server.stop();
  std::filesystem::create_directory(directory.file("closed"));
  std::filesystem::permissions(directory.file("closed"), std::filesystem::perms(0555));
  // What makes permissions nothing to root.
  if (geteuid() == 0) {
    server.options().wrapper = {"setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"};
  }
  for (const char* name : {"closed", "closed/data"}) {
    server.options().data_directory = directory.file(name);
    CHECK(server.start_that_ends() == 1);
    CHECK_THAT(server.log(), Contains(directory.file(name)) && Contains("ermission denied"));
  }
  CHECK(std::filesystem::is_empty(directory.file("closed")));
}

TEST_CASE("process: a stop that cannot save everything exits 6 and says so") {
  TempDirectory directory;
  // No file may have more than 64 blocks, so the final snapshot fails.
  RunningServer server(
      {directory.file("data"), {"--mode", "SNAPSHOT"}, {}, {"sh", "-c", "ulimit -f 64; exec \"$@\"", "sh"}});
  std::string noise(1 << 20, '\0');
  std::mt19937 random(1);
  for (char& byte : noise) byte = static_cast<char>(random());
  REQUIRE(Client(server).set("k", noise));
  CHECK(server.stop() == 6);
  CHECK_THAT(server.log(), Contains("not everything was saved"));
}

TEST_CASE("process: health is told by name") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {}, {}, {}});
  const std::string serving("\x08\x01");
  for (const char* name : {"", "kvstore.KeyValueStore", "kvstore.writes", "kvstore.persistence"}) {
    CAPTURE(name);
    CHECK(health(server, name) == serving);
  }
  CHECK(health(server, "nobody") == "NOT_FOUND");
}

TEST_CASE("process: it can be reached through a unix socket too") {
  TempDirectory directory;
  const std::string socket = "unix:" + directory.file("socket");
  RunningServer server({directory.file("data"), {"--listen", socket}, {}, {}});
  REQUIRE(Client(server).set("k", "v"));
  CHECK(Client(socket).get("k") == "v");
}

TEST_CASE("process: damaged data exits 3, says which file, and changes nothing") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--mode", "AOF"}, {}, {}});
  REQUIRE(Client(server).set("k", "v"));
  REQUIRE(server.stop() == 0);
  std::ofstream(directory.file("data/MANIFEST")) << "noise";
  CHECK(server.start_that_ends() == 3);
  CHECK_THAT(server.log(), Contains("MANIFEST"));
  std::ifstream manifest(directory.file("data/MANIFEST"));
  std::string text;
  manifest >> text;
  CHECK(text == "noise");
}

TEST_CASE("process: SIGUSR1 takes a snapshot, SIGHUP is noted, SIGINT stops") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {}, {}, {}});
  REQUIRE(Client(server).set("k", "v"));
  server.signal(SIGUSR1);
  server.wait_for_line("SIGUSR1: a snapshot was taken");
  server.signal(SIGHUP);
  server.wait_for_line("SIGHUP");
  server.signal(SIGINT);
  CHECK(server.exit_code() == 0);
}

TEST_CASE("process: without gRPC, HTTP tells life, readiness, version and figures") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--http-listen", "127.0.0.1:0"}, {}, {}});
  REQUIRE(Client(server).set("k", "v"));
  const int port = http_port(server);
  CHECK_THAT(http_get(port, "/livez"), Contains("200 OK"));
  CHECK_THAT(http_get(port, "/readyz"), Contains("200 OK"));
  CHECK_THAT(http_get(port, "/version"), Contains("kvstore_server "));
  CHECK_THAT(http_get(port, "/nothing"), Contains("404"));
  const std::string metrics = http_get(port, "/metrics");
  CHECK_THAT(metrics, Contains("kvstore_keys 1") && Contains("kvstore_expiry_lateness_seconds_count 0") &&
                          Contains("kvstore_build_info{version=") &&
                          Contains("kvstore_rpc_requests_total{method=\"kvstore.KeyValueStore/Set\",code=\"OK\"} 1") &&
                          Contains("kvstore_revision{level=\"disk\"} 1") && Contains("kvstore_writes_accepted 1"));
}

TEST_CASE("process: the figures say what a snapshot cost, and of what it could fail") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--http-listen", "127.0.0.1:0"}, {}, {}});
  REQUIRE(Client(server).set("k", "v"));
  const int port = http_port(server);
  CHECK_THAT(http_get(port, "/metrics"), Contains("kvstore_snapshot_pause_seconds 0\n") &&
                                             Contains("kvstore_snapshot_failures_total{cause=\"fork\"} 0\n") &&
                                             !Contains("kvstore_snapshot_copied_bytes"));
  server.signal(SIGUSR1);
  server.wait_for_line("SIGUSR1: a snapshot was taken");
  const std::string metrics = http_get(port, "/metrics");
  CHECK_THAT(metrics,
             Contains("kvstore_snapshots_total{result=\"taken\"} 1\n") && Contains("\nkvstore_snapshot_copied_bytes "));
  CHECK_THAT(metrics, !Contains("kvstore_snapshot_pause_seconds 0\n"));
  CHECK_THAT(metrics, Contains("\nkvstore_heap_held_bytes ") && !Contains("kvstore_heap_held_bytes 0\n") &&
                          Contains("kvstore_huge_pages{state=\"split\"} "));
  for (const char* cause : {"prepare", "fork", "watchdog", "child", "mismatch", "publish"})
    CHECK_THAT(metrics, Contains(std::string("kvstore_snapshot_failures_total{cause=\"") + cause + "\"} 0\n"));
}

TEST_CASE("process: an HTTP address that others reach is warned of, and its listener does not hold up a stop") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--http-listen", "0.0.0.0:0"}, {}, {}});
  CHECK_THAT(server.log(), Contains("listening on 0.0.0.0:0 for HTTP: everybody who can connect"));
  CHECK_THAT(http_get(http_port(server), "/livez"), Contains("200 OK"));
  CHECK(server.stop() == 0);
}

TEST_CASE("process: connections that say nothing keep no probe waiting, and are closed") {
  using Clock = std::chrono::steady_clock;
  // Of the second that a silent one has, on a machine with much to do.
  constexpr std::chrono::seconds kBound{5};
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--http-listen", "127.0.0.1:0"}, {}, {}});
  const int port = http_port(server);
  std::vector<Descriptor> silent;
  for (int i = 0; i < 30; ++i) {
    silent.push_back(connected_to(port));
    // Every other one begins a request and leaves it at that.
    if (i % 2 == 1) REQUIRE(::write(silent.back().get(), "GET /livez", 10) == 10);
  }
  const Clock::time_point begin = Clock::now();
  for (const char* path : {"/livez", "/readyz", "/metrics"}) CHECK_THAT(http_get(port, path), Contains("200 OK"));
  CHECK(Clock::now() - begin < kBound);
  char byte = 0;
  CHECK(::read(silent.front().get(), &byte, 1) == 0);
  CHECK(Clock::now() - begin < kBound);
  CHECK(server.stop() == 0);
}

TEST_CASE("process: JSON lines are whole objects, whatever a setting says") {
  TempDirectory directory;
  RunningServer server({directory.file("da\"ta"), {"--log-format", "json"}, {}, {}});
  CHECK_THAT(server.log(), Contains("da\\\"ta") && Contains("\"message\":\"serving on "));
}

TEST_CASE("S6: an open health watch delays a stop by no more than the bound") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--stop-timeout", "200ms"}, {}, {}});
  grpc::GenericStub stub(grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  const auto watch = stub.PrepareCall(&context, "/grpc.health.v1.Health/Watch", &queue);
  const auto done = [&] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  watch->StartCall(&context);
  REQUIRE(done());
  const grpc::Slice no_name;
  watch->WriteLast(grpc::ByteBuffer(&no_name, 1), {}, &context);
  REQUIRE(done());
  grpc::ByteBuffer state;
  watch->Read(&state, &context);
  REQUIRE(done());  // The stream is open: it has told the first state, and would tell more for ever.
  CHECK(server.stop() == 0);
}
