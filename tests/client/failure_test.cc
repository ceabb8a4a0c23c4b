// Commands that fail: what is said, and how the command line ends.
#include <map>
#include <thread>

#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"
#include "tests/client/desk.h"
#include "tests/client/error_details.h"
#include "tests/client/fake_server.h"

using namespace kv;
using namespace std::chrono_literals;
using namespace std::string_literals;

TEST_CASE("client: the reason word comes from the details, else from the message") {
  FakeServer server;
  Connection connection({server.target()});
  using enum grpc::StatusCode;
  server.answer = grpc::Status(INVALID_ARGUMENT, "text alone", details_with("KEY_TOO_LARGE", "kvstore"));
  CHECK(reason_of(connection.get("k").status()) == "KEY_TOO_LARGE");
  server.answer = grpc::Status(INVALID_ARGUMENT, "text alone", details_with("KEY_TOO_LARGE", "elsewhere"));
  CHECK(reason_of(connection.get("k").status()).empty());
  server.answer = grpc::Status(INVALID_ARGUMENT, "FUTURE_WORD: something new", "\xff broken details");
  CHECK(reason_of(connection.get("k").status()) == "FUTURE_WORD");
  server.answer = grpc::Status(UNAVAILABLE, "UNKNOWN: a text of the library");
  CHECK(reason_of(connection.get("k").status()).empty());
}

TEST_CASE("client: the facts of a refusal reach the caller, and none that only this library may say") {
  FakeServer server;
  Connection connection({server.target()});
  const Facts sent = {{"limit", "65536"}, {"field", "key"},       {"text", "two\nlimit=9\nlines"},
                      {"a\nb=c", "x"},    {"outcome", "unknown"}, {"retry_after_ms", "soon"}};
  server.answer = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "KEY_TOO_LARGE: x",
                               details_with("KEY_TOO_LARGE", "kvstore", sent));
  const absl::Status refused = connection.get("k").status();
  const std::map<std::string, std::string> told = {{"limit", "65536"}, {"field", "key"}, {"text", "two limit=9 lines"}};
  CHECK(facts_of(refused) == told);
  CHECK_FALSE(outcome_unknown(refused));
  server.answer =
      grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "x", details_with("KEY_TOO_LARGE", "elsewhere", sent));
  CHECK(facts_of(connection.get("k").status()).empty());
}

TEST_CASE("client: every kind of failure has its exit code") {
  using enum grpc::StatusCode;
  const std::pair<grpc::Status, ExitCode> cases[] = {
      {{INVALID_ARGUMENT, "KEY_NOT_UTF8: x"}, ExitCode::kUsage},
      {{INVALID_ARGUMENT, "ENTRY_TOO_LARGE: x"}, ExitCode::kRefused},
      {{UNAVAILABLE, "LOADING: 10 %"}, ExitCode::kRefused},
      {{UNAVAILABLE, "some proxy"}, ExitCode::kUnreachable},
      {{FAILED_PRECONDITION, "WRONG_TYPE: x"}, ExitCode::kRefused},
      {{RESOURCE_EXHAUSTED, "MEMORY_LIMIT: x"}, ExitCode::kRefused},
      {{ABORTED, "TRANSITION_IN_PROGRESS: x"}, ExitCode::kRefused},
      {{DEADLINE_EXCEEDED, "EXPIRED_IN_QUEUE: x"}, ExitCode::kDeadline},
      {{PERMISSION_DENIED, "no"}, ExitCode::kNotAllowed},
      {{UNAUTHENTICATED, "no"}, ExitCode::kNotAllowed},
      {{DATA_LOSS, "CHECKSUM: x"}, ExitCode::kDamage},
      {{UNKNOWN, "OUTCOME_UNKNOWN: x"}, ExitCode::kFailed},
      {{UNIMPLEMENTED, "no"}, ExitCode::kFailed},
      {{CANCELLED, "by the server"}, ExitCode::kFailed},
  };
  FakeServer server;
  Desk desk(server.target());
  for (const auto& [status, code] : cases) {
    CAPTURE(status.error_message());
    server.answer = status;
    CHECK(desk.type("set k v") == code);
    CHECK(desk.error.starts_with("Set failed: "));
    CHECK(std::count(desk.error.begin(), desk.error.end(), '\n') == 1);
  }
  server.answer = grpc::Status(INTERNAL, "two\nlines \x1b[2J");
  desk.type("keys");
  CHECK(desk.error == "Keys failed: two\\nlines \\x1b[2J\n");
}

TEST_CASE("client: a server that is away is one clear line, and its return is noticed at once") {
  FakeServer server;
  Desk desk(server.target());
  desk.type("set k v");
  server.stop();
  for (int i = 0; i < 3; ++i) {
    CHECK(desk.type("get k") == ExitCode::kUnreachable);
    CHECK(desk.error == "Get failed: cannot reach " + server.target() + ": Connection refused\n");
  }
  server.start();
  CHECK(desk.type("get k") == ExitCode::kDone);
  CHECK(desk.out == "Value: v\n");
}

TEST_CASE("client: a server that does not answer ends at the deadline, and a write says what that means") {
  FakeServer server;
  Desk desk(server.target(), {.timeout = 200ms});
  server.hangs = true;
  CHECK(desk.type("get k") == ExitCode::kDeadline);
  CHECK(desk.error == "Get failed: no answer within 200ms\n");
  CHECK(desk.type("set k v") == ExitCode::kDeadline);
  CHECK(desk.error == "Set failed: no answer within 200ms; whether the write took effect is not known\n");
}

TEST_CASE("client: a peer that accepts and says nothing was not reached") {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener, 5) == 0);
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const std::string target = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  Desk desk(target, {.timeout = 200ms});
  CHECK(desk.type("get k") == ExitCode::kUnreachable);
  CHECK(desk.error == "Get failed: cannot reach " + target + ": no connection within 200ms\n");
  ::close(listener);
}

TEST_CASE("client: an interruption gives up the call") {
  FakeServer server;
  Desk desk(server.target(), {.timeout = 1h});
  server.hangs = true;
  std::thread person([&] {
    while (server.calls() == 0) std::this_thread::yield();
    desk.interrupted = true;
  });
  CHECK(desk.type("get k") == ExitCode::kInterrupted);
  person.join();
  CHECK(desk.error == "Get failed: interrupted\n");
}

TEST_CASE("client: an answer far above gRPC's usual limit is read") {
  FakeServer server;
  Desk desk(server.target());
  const std::string large(6 << 20, 'x');
  REQUIRE(desk.connection().set("k", large).ok());
  CHECK(**desk.connection().get("k") == large);
}
