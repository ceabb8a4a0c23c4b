#include <chrono>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "error_fields.h"
#include "http2_client.h"
#include "raw_call.h"
#include "rpc/incident.h"
#include "running_rpc.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

constexpr char kGet[] = "/kvstore.KeyValueStore/Get";

std::uint64_t ended_with(const RpcServer& server, const std::string& method, grpc::StatusCode code) {
  for (const MethodTotals& totals : server.totals()) {
    if (totals.method == method) return totals.by_code[code];
  }
  return 0;
}

TEST_CASE("unary: a handler that never waits answers, with trailers beside the message") {
  RunningRpc rpc;
  grpc::ClientContext context;
  context.AddMetadata("echo", "hello");
  kvstore::GetRequest request;
  request.set_key("k");
  kvstore::GetResponse response;
  REQUIRE(rpc.stub->Get(&context, request, &response).ok());
  CHECK(response.value() == "value of k");
  CHECK(context.GetServerTrailingMetadata().count("echoed") == 1);
}

TEST_CASE("unary: a message in many slices is read whole") {
  RunningRpc rpc;
  const std::string key(3u << 20, 'k');
  std::string value;
  REQUIRE(rpc.get(key, &value).ok());
  CHECK(value == "value of " + key);
}

TEST_CASE("unary: bytes that are no message are refused as MESSAGE_INVALID, and never reach the handler") {
  RunningRpc rpc;
  for (const std::string& bytes : {std::string("\x0a\xff"), std::string("\xff\xff\xff\xff\xff\xff"),
                                   std::string("\x0a\x05"
                                               "abc"),
                                   std::string("\x0a\x02\xff\xfe")}) {
    const grpc::Status status = raw_call(rpc.channel, kGet, bytes);
    CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    CHECK(status.error_message() == "MESSAGE_INVALID: the bytes are not a kvstore.GetRequest");
  }
  CHECK(rpc.service.handled == 0);
  CHECK(raw_call(rpc.channel, kGet, "").ok());  // an empty message is a message
}

TEST_CASE("unary: a message above the limit is refused and the server goes on") {
  RpcServerOptions options = small_options();
  options.message_bytes_max = 1024;
  RunningRpc rpc(options);
  CHECK(rpc.get(std::string(2048, 'k')).error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(rpc.get("k").ok());
  CHECK(rpc.service.handled == 1);
}

TEST_CASE("unary: handlers that wait are resumed from a foreign thread, more of them than calls are posted") {
  RunningRpc rpc;
  constexpr int kCalls = 20;
  std::vector<std::future<grpc::Status>> calls;
  for (int i = 0; i < kCalls; ++i) {
    calls.push_back(std::async(std::launch::async, [&] {
      grpc::ClientContext context;
      return rpc.set(context, "k");
    }));
  }
  REQUIRE(rpc.service.lot.wait_for_parked(kCalls));
  CHECK(rpc.server.calls_in_flight() == kCalls);
  CHECK(rpc.get("k").ok());  // parked calls keep nobody out
  CHECK(rpc.service.lot.release() == kCalls);
  for (auto& call : calls) CHECK(call.get().ok());
  CHECK(ended_with(rpc.server, "kvstore.KeyValueStore/Set", grpc::StatusCode::OK) == kCalls);
}

TEST_CASE("unary: a handler that throws, at once or after it waited, is an incident of its own call alone") {
  std::mutex mutex;
  std::vector<std::string> lines;
  set_incident_log([&](const std::string& line) {
    const std::lock_guard lock(mutex);
    lines.push_back(line);
  });
  RunningRpc rpc;
  rpc.service.during_get = [] { throw std::runtime_error("a bug"); };
  rpc.service.during_set = [] { throw std::out_of_range("another"); };
  const grpc::Status at_once = rpc.get("k");
  auto parked = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    return rpc.set(context, "k");
  });
  REQUIRE(rpc.service.lot.wait_for_parked(1));
  rpc.service.lot.release();
  const grpc::Status later = parked.get();
  rpc.service.during_get = [] {};
  CHECK(rpc.get("k").ok());
  set_incident_log({});
  REQUIRE(lines.size() == 2);
  CHECK_THAT(lines[0], Catch::EndsWith("in kvstore.KeyValueStore/Get: a bug"));
  CHECK_THAT(lines[1], Catch::EndsWith("in kvstore.KeyValueStore/Set: another"));
  for (const auto& [status, line] : {std::pair(at_once, lines[0]), std::pair(later, lines[1])}) {
    CHECK(status.error_code() == grpc::StatusCode::INTERNAL);
    const std::string number = line.substr(0, std::string("incident 0123456789abcdef").size());
    CHECK_THAT(status.error_message(), Catch::StartsWith("INTERNAL: " + number));
  }
}

TEST_CASE("unary: above the bound of parked calls the next one is refused as OVERLOADED") {
  RpcServerOptions options = small_options();
  options.bounds.calls_max = 1;
  RunningRpc rpc(options);
  auto parked = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    return rpc.set(context, "k");
  });
  REQUIRE(rpc.service.lot.wait_for_parked(1));
  const grpc::Status refused = rpc.get("k");
  CHECK(refused.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(refused.error_message().starts_with("OVERLOADED"));
  CHECK(retry_after_ms(refused.error_details()) == 100);
  rpc.service.lot.release();
  CHECK(parked.get().ok());
}

// The caller does not see the word EXPIRED_IN_QUEUE: at the deadline a timer of the library, on the server's side of
// the connection too, ends the stream with "Deadline Exceeded", before a poller comes to the call and says what it
// knows. What it says is in the counts.
TEST_CASE("unary: a call whose deadline passed in the queue is dropped before its handler") {
  RunningRpc rpc;
  const std::string empty_message(5, '\0');
  rpc.service.during_get = [] { std::this_thread::sleep_until(std::chrono::steady_clock::now() + 100ms); };
  {
    Http2Client client(rpc.server.addresses().front());
    client.add(kGet, {}, empty_message);
    client.add(kGet, {{"grpc-timeout", "50m"}}, empty_message);  // read together with the first, handled after it
    client.run();
  }
  rpc.server.drain(std::chrono::steady_clock::now() + 10s);
  CHECK(rpc.service.handled == 1);
  CHECK(ended_with(rpc.server, "kvstore.KeyValueStore/Get", grpc::StatusCode::DEADLINE_EXCEEDED) == 1);
}

TEST_CASE("unary: a call that carries no message at all is ended, and the server goes on") {
  RunningRpc rpc;
  Http2Client client(rpc.server.addresses().front());
  client.add(kGet, {}, "", false);
  client.run();
  CHECK(rpc.service.handled == 0);
  CHECK(rpc.get("k").ok());
}

TEST_CASE("unary: a call whose deadline passes while its handler waits is told so when it asks") {
  RunningRpc rpc;
  // This client does not cancel at the deadline, as a library would: the server is on its own.
  auto call = std::async(std::launch::async, [&] {
    Http2Client client(rpc.server.addresses().front());
    client.add("/kvstore.KeyValueStore/Set", {{"grpc-timeout", "50m"}},
               std::string("\0\0\0\0\x07\x0a\x05"
                           "again",
                           12));
    client.run();
  });
  REQUIRE(rpc.service.lot.wait_for_parked(1));
  while (rpc.service.set_wanted().empty()) rpc.service.lot.release();  // each round it asks once more
  CHECK(rpc.service.set_wanted() == word(Reason::kExpiredInQueue));
  call.get();
}

TEST_CASE("unary: a call whose caller left while its handler waits is told so when it asks") {
  RunningRpc rpc;
  grpc::ClientContext context;
  auto call = std::async(std::launch::async, [&] { return rpc.set(context, "again"); });
  REQUIRE(rpc.service.lot.wait_for_parked(1));
  context.TryCancel();
  CHECK(call.get().error_code() == grpc::StatusCode::CANCELLED);
  auto drained = std::async(std::launch::async, [&] { rpc.server.drain(std::chrono::steady_clock::now() + 10s); });
  while (rpc.service.set_wanted().empty()) rpc.service.lot.release();  // each round it asks once more
  CHECK(rpc.service.set_wanted() == word(Reason::kCancelledInQueue));
  drained.get();
}

TEST_CASE("unary: a handler that watches its call is told when the caller leaves and when the deadline passes") {
  RunningRpc rpc;
  {
    grpc::ClientContext context;
    auto call = std::async(std::launch::async, [&] { return rpc.set(context, "watch"); });
    while (rpc.service.watching < 1) std::this_thread::yield();
    context.TryCancel();
    CHECK(call.get().error_code() == grpc::StatusCode::CANCELLED);
  }
  // A library's client cancels at the deadline, and its word may come before the server's own clock has got there.
  Http2Client client(rpc.server.addresses().front());
  client.add("/kvstore.KeyValueStore/Set", {{"grpc-timeout", "50m"}},
             std::string("\0\0\0\0\x07\x0a\x05"
                         "watch",
                         12));
  client.run();
  rpc.server.drain(std::chrono::steady_clock::now() + 10s);  // Nobody else wakes them: they have ended by themselves.
  CHECK(rpc.server.calls_in_flight() == 0);
  CHECK(ended_with(rpc.server, "kvstore.KeyValueStore/Set", grpc::StatusCode::CANCELLED) >= 1);
  CHECK(rpc.service.set_wanted() == word(Reason::kExpiredInQueue));
}

}  // namespace
}  // namespace kv
