// Clients take every descriptor that the process may have; the log must not be what lacks one.
#include "core/descriptor.h"

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using Catch::Matchers::Contains;

namespace {

std::size_t descriptors_of(const RunningServer& server) {
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(server.pid()) + "/fd");
  return static_cast<std::size_t>(std::distance(all, std::filesystem::directory_iterator()));
}

Descriptor connect_to(const RunningServer& server) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port =
      htons(static_cast<std::uint16_t>(std::stoi(server.address().substr(server.address().find(':') + 1))));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return socket;
}

// Lowers the limit of the running server, which had reckoned with more, and connects until it has no descriptor left.
std::vector<Descriptor> take_all(const RunningServer& server) {
  constexpr std::size_t kLeft = 20;
  const std::size_t limit = descriptors_of(server) + kLeft;
  const rlimit lowered{limit, limit};
  REQUIRE(::prlimit(server.pid(), RLIMIT_NOFILE, &lowered, nullptr) == 0);
  std::vector<Descriptor> taken;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (descriptors_of(server) < limit) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    if (taken.size() < limit) taken.push_back(connect_to(server));
    std::this_thread::yield();
  }
  return taken;
}

}  // namespace

TEST_CASE("descriptors: clients that take all of them stop neither the log nor a clean end") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--log-segment-size", "1MiB"}, {}, {}});
  const auto stub =
      kvstore::KeyValueStore::NewStub(grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
  const auto set = [&](int number) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    kvstore::SetRequest request;
    request.set_key("k" + std::to_string(number));
    request.set_value(std::string(200'000, 'v'));
    google::protobuf::Empty answer;
    return stub->Set(&context, request, &answer).error_message();
  };
  REQUIRE(set(0) == "");  // The connection of this client stands.
  {
    const std::vector<Descriptor> taken = take_all(server);
    for (int number = 1; number < 40; ++number) REQUIRE(set(number) == "");  // Eight segments.
  }
  CHECK(server.stop() == 0);
}

TEST_CASE("descriptors: the soft limit is raised to the hard one, and a low one is warned of") {
  TempDirectory directory;
  RunningServer server(
      {directory.file("data"), {}, {}, {"sh", "-c", "ulimit -Sn 200; ulimit -Hn 600; exec \"$@\"", "sh"}});
  CHECK_THAT(server.log(),
             Contains("descriptors: at most 600, 32 of them kept back for files") && Contains("only 600 descriptors"));
}
