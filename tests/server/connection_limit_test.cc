// --max-connections and the limit of descriptors, of the real server: who is turned away, who goes on, and what heals.
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "core/descriptor.h"
#include "kvstore/kvstore.grpc.pb.h"
#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

// A bare connection: the server greets those that it lets in with its HTTP/2 settings.
class Visitor {
 public:
  explicit Visitor(const RunningServer& server) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{20, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(server.address().substr(server.address().find(':') + 1))));
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
  }
  // Waits for the greeting, or for the end.
  bool let_in() const {
    char byte = 0;
    const ssize_t got = ::recv(socket_.get(), &byte, 1, MSG_PEEK);
    REQUIRE((got >= 0 || errno == ECONNRESET));  // not the end of the patience
    return got == 1;
  }

 private:
  Descriptor socket_;
};

struct Client {
  explicit Client(const RunningServer& server)
      : stub(kvstore::KeyValueStore::NewStub(
            grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()))) {}
  bool set() {
    grpc::ClientContext context;
    kvstore::SetRequest request;
    request.set_key("k");
    google::protobuf::Empty answer;
    return stub->Set(&context, request, &answer).ok();
  }
  std::unique_ptr<kvstore::KeyValueStore::Stub> stub;
};

// Of the running server; gives the limit there was.
rlim_t limit_descriptors(const RunningServer& server, rlim_t limit) {
  rlimit before{};
  REQUIRE(::prlimit(server.pid(), RLIMIT_NOFILE, nullptr, &before) == 0);
  const rlimit set{limit, before.rlim_max};
  REQUIRE(::prlimit(server.pid(), RLIMIT_NOFILE, &set, nullptr) == 0);
  return before.rlim_cur;
}

rlim_t descriptors_of(const RunningServer& server) {
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(server.pid()) + "/fd");
  return static_cast<rlim_t>(std::distance(all, std::filesystem::directory_iterator()));
}

// Comes again and again until it is let in; how long that took. The server needs a moment to see that somebody left.
std::chrono::milliseconds until_let_in(const RunningServer& server) {
  const auto begin = std::chrono::steady_clock::now();
  while (!Visitor(server).let_in()) REQUIRE(std::chrono::steady_clock::now() - begin < 20s);
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
}

}  // namespace

TEST_CASE("connection limit: one more is closed at once, the others go on, and a place that is left is given away") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--max-connections", "3"}, {}, {}});
  Client client(server);
  REQUIRE(client.set());
  const Visitor second(server);
  {
    const Visitor third(server);
    CHECK((second.let_in() && third.let_in()));
    for (int i = 0; i < 10; ++i) CHECK_FALSE(Visitor(server).let_in());
    CHECK(client.set());
    server.wait_for_line("new connections were closed at once: there are 3 already, the limit");
  }
  until_let_in(server);
  CHECK(client.set());
  CHECK(server.stop() == 0);
}

TEST_CASE(
    "connection limit: with no descriptor left one more is closed at once, and accepting resumes within a second") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {}, {}, {}});
  Client client(server);
  REQUIRE(client.set());
  limit_descriptors(server, descriptors_of(server) + 10);
  {
    std::vector<std::unique_ptr<Visitor>> inside;
    do {
      inside.push_back(std::make_unique<Visitor>(server));
      REQUIRE(inside.size() < 100);
    } while (inside.back()->let_in());
    CHECK(inside.size() > 5);
    for (int i = 0; i < 10; ++i) CHECK_FALSE(Visitor(server).let_in());
    CHECK(client.set());
    server.wait_for_line("new connections were closed at once: the process has no file descriptor left");
  }
  CHECK(until_let_in(server) < 1s);
  CHECK(client.set());
  CHECK(server.stop() == 0);
}

TEST_CASE("connection limit: when not even one can be accepted to be closed, accepting still resumes within a second") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {}, {}, {}});
  Client client(server);
  REQUIRE(client.set());
  const rlim_t before = limit_descriptors(server, 1);  // below every number that is open
  const Visitor waiting(server);                       // in the queue of the kernel
  CHECK(client.set());
  limit_descriptors(server, before);
  CHECK(until_let_in(server) < 1s);
  CHECK(waiting.let_in());
  CHECK(client.set());
  CHECK(server.stop() == 0);
}

TEST_CASE("connection limit: it is lowered to what the limit of descriptors allows, and the log says so") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {}, {}, {"sh", "-c", "ulimit -n 300; exec \"$@\"", "sh"}});
  CHECK_THAT(server.log(),
             Contains("--max-connections is lowered from 10000 to 172: the process may have 300 descriptors"));
}

TEST_CASE("connection limit: a connection older than --max-connection-age is told to end, and calls go on") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--max-connection-age", "1s"}, {}, {}});
  grpc::ChannelArguments own;
  own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto channel = grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), own);
  const auto far = [] { return std::chrono::system_clock::now() + 20s; };
  REQUIRE(channel->WaitForConnected(far()));
  REQUIRE(channel->WaitForStateChange(GRPC_CHANNEL_READY, far()));
  kvstore::GetRequest request;
  request.set_key("k");
  kvstore::GetResponse response;
  grpc::ClientContext context;
  context.set_deadline(far());
  CHECK(kvstore::KeyValueStore::NewStub(channel)->Get(&context, request, &response).ok());
}

TEST_CASE(
    "connection limit: a call beyond --max-streams of one connection waits for a place, one of another does not") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--max-streams", "2"}, {}, {}});
  Client other(server);
  // A channel is one connection; with these arguments it is not shared with the other client.
  grpc::ChannelArguments own;
  own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto stub = kvstore::v1::KeyValueService::NewStub(
      grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), own));
  grpc::ClientContext contexts[2];
  const auto first = stub->Pipeline(&contexts[0]);
  const auto second = stub->Pipeline(&contexts[1]);
  kvstore::v1::PipelineResponse answer;
  for (const auto& stream : {first.get(), second.get()}) {
    REQUIRE(stream->Write(kvstore::v1::PipelineRequest()));
    REQUIRE(stream->Read(&answer));
  }
  const auto get = [&](std::chrono::milliseconds patience) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + patience);
    kvstore::v1::GetRequest request;
    request.set_key("k");
    kvstore::v1::GetResponse response;
    return stub->Get(&context, request, &response).error_code();
  };
  CHECK(get(200ms) == grpc::StatusCode::DEADLINE_EXCEEDED);
  CHECK(other.set());
  first->WritesDone();
  CHECK(first->Finish().ok());
  CHECK(get(20s) == grpc::StatusCode::OK);
}
