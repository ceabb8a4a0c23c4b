// Calls of the library that answer with a stream: one answer at a time, what is repeated and what is not, silence, and
// leaving in the middle.
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "client/client.h"
#include "core/descriptor.h"
#include "core/error.h"
#include "kvstore/v1/key_value_service.grpc.pb.h"

using namespace kv;
using namespace std::chrono_literals;
namespace v1 = kvstore::v1;

namespace {

// A scan of so many chunks, each of one key.
class ScanServer final : public v1::KeyValueService::Service {
 public:
  ScanServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    REQUIRE(server_ != nullptr);
  }
  ~ScanServer() override { server_->Shutdown(std::chrono::system_clock::now()); }

  ClientOptions options() const {
    return {.target = "127.0.0.1:" + std::to_string(port_), .answer_bytes_max = 64 << 20, .request_ids = true};
  }

  std::atomic<int> chunks{3};
  std::atomic<int> refusals{0};           // so many calls fail before their first answer
  std::atomic<bool> breaks{false};        // the end is UNAVAILABLE
  std::atomic<bool> falls_silent{false};  // no end comes
  std::atomic<std::size_t> chunk_bytes{10};
  std::atomic<int> calls{0};
  std::atomic<int> sent{0};
  std::atomic<int> left{0};  // calls that their client has given up

 private:
  grpc::Status Scan(grpc::ServerContext* context, const v1::ScanRequest*,
                    grpc::ServerWriter<v1::ScanResponse>* writer) override {
    ++calls;
    if (refusals > 0 && refusals-- > 0) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "LOADING: not yet");
    bool given_up = false;  // A write may fail before the library says that the call was cancelled.
    for (int chunk = 0; chunk < chunks; ++chunk) {
      v1::ScanResponse response;
      response.add_entries()->set_key(std::to_string(chunk) + std::string(chunk_bytes, 'k'));
      given_up = !writer->Write(response);
      if (given_up) break;
      ++sent;
    }
    while (falls_silent && !context->IsCancelled()) std::this_thread::yield();
    left += given_up || context->IsCancelled() ? 1 : 0;
    return breaks ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone") : grpc::Status::OK;
  }

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// A server whose connection stands, and which reads nothing of what is sent over it: as one that was stopped.
class DeafServer {
 public:
  DeafServer() {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener_.get(), generic, length) == 0);
    REQUIRE(::listen(listener_.get(), 8) == 0);
    REQUIRE(::getsockname(listener_.get(), generic, &length) == 0);
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { accept_all(); });
  }
  ~DeafServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    accepting_.join();
  }
  DeafServer(const DeafServer&) = delete;
  DeafServer& operator=(const DeafServer&) = delete;

  ClientOptions options() const {
    return {.target = "127.0.0.1:" + std::to_string(port_), .answer_bytes_max = 64 << 20};
  }

 private:
  void accept_all() {
    std::vector<Descriptor> connections;
    for (;;) {
      const int connection = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      connections.emplace_back(connection);
      // An empty SETTINGS frame: the connection stands. Source: RFC 9113, sections 3.4 and 6.5.
      constexpr std::array<char, 9> kSettings{0, 0, 0, 4};
      if (::send(connection, kSettings.data(), kSettings.size(), MSG_NOSIGNAL) < 0) return;
    }
  }

  const Descriptor listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::uint16_t port_ = 0;
  std::thread accepting_;
};

using Chunks = ServerStream<v1::ScanRequest, v1::ScanResponse>;

CallOptions within(std::chrono::milliseconds timeout) {
  return {.timeout = timeout, .retry = {.attempts = 4, .delay = 1ms, .delay_max = 4ms}};
}

Chunks scan(Client& client, std::chrono::milliseconds timeout = 30s) {
  return client.stream(methods::kScan, v1::ScanRequest(), within(timeout));
}

// The first letters of the keys; then how it ended.
std::string read_all(Chunks& stream, absl::Status& end) {
  std::string read;
  for (;;) {
    auto next = wait(stream.next());
    end = next.status();
    if (!next.ok() || !*next) return read;
    read += (*next)->entries(0).key().front();
    if (read.size() > 10) return read;  // More than any of these streams has.
  }
}

}  // namespace

TEST_CASE("stream: every answer comes once and in its order, then the end") {
  ScanServer server;
  Client client(server.options());
  Chunks stream = scan(client);
  absl::Status end;
  CHECK(read_all(stream, end) == "012");
  CHECK(end.ok());
  server.chunks = 0;
  Chunks empty = scan(client);
  CHECK(read_all(empty, end).empty());
  CHECK(end.ok());
}

TEST_CASE("stream: until its first answer a call is asked again, after it a break is an error") {
  ScanServer server;
  Client client(server.options());
  server.refusals = 2;
  Chunks stream = scan(client);
  absl::Status end;
  CHECK(read_all(stream, end) == "012");
  CHECK(end.ok());
  CHECK(server.calls == 3);
  server.breaks = true;
  Chunks broken = scan(client);
  CHECK(read_all(broken, end) == "012");
  CHECK(absl::IsUnavailable(end));
  CHECK(server.calls == 4);
  server.refusals = 100;
  Client another(server.options());
  Chunks refused = scan(another);
  CHECK(read_all(refused, end).empty());
  CHECK(has_reason(end, Reason::kLoading));
  CHECK(server.calls == 8);
}

TEST_CASE("stream: a server that falls silent is given up after the timeout, however much it said before") {
  ScanServer server;
  server.falls_silent = true;
  Client client(server.options());
  Chunks stream = scan(client, 200ms);
  absl::Status end;
  CHECK(read_all(stream, end) == "012");
  CHECK(absl::IsDeadlineExceeded(end));
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (server.left == 0) REQUIRE(std::chrono::steady_clock::now() < deadline);
}

TEST_CASE("stream: a server that does not read the request is given up after the timeout, too") {
  const DeafServer server;
  Client client(server.options());
  v1::MultiGetRequest request;
  for (int i = 0; i < 1000; ++i) request.add_keys(std::string(1000, 'k'));  // Above the window of a stream, 64 KiB.
  auto stream = client.stream(methods::kMultiGet, std::move(request), within(200ms));
  const auto begin = std::chrono::steady_clock::now();
  const auto next = wait(stream.next());
  INFO(next.status());
  CHECK(absl::IsDeadlineExceeded(next.status()));
  CHECK(std::chrono::steady_clock::now() - begin < 10s);  // The library alone notices after half a minute.
}

TEST_CASE("stream: what is not asked for is not read, and a stream that goes before its end is given up") {
  ScanServer server;
  server.chunks = 1000;
  server.chunk_bytes = 1'000'000;
  Client client(server.options());
  {
    Chunks stream = scan(client);
    for (int i = 0; i < 3; ++i) REQUIRE(wait(stream.next()).ok());
    CHECK(server.sent < 500);
    CHECK(server.left == 0);
  }
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (server.left == 0) REQUIRE(std::chrono::steady_clock::now() < deadline);
  CHECK(server.sent < 500);
}
