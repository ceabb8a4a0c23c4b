// What the server holds for its callers is bounded: who is counted, who is refused, and that all of it comes back.
#include <chrono>
#include <future>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "error_fields.h"
#include "raw_call.h"
#include "rpc/byte_budget.h"
#include "running_rpc.h"
#include "stream_service.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

RpcServerOptions at_most(std::size_t bytes) {
  RpcServerOptions options = small_options();
  options.bytes_in_flight_max = bytes;
  return options;
}

grpc::Status check_health(RunningRpc& rpc) {
  static const std::string method = "/grpc.health.v1.Health/Check";
  return raw_call(rpc.channel, method, "");
}

TEST_CASE("bytes in flight: what a share has goes back with it, and the budget is full at its bound") {
  ByteBudget budget(100);
  {
    ByteBudget::Share first(budget);
    first.add(60);
    CHECK_FALSE(budget.full());
    ByteBudget::Share second(budget);
    second.add(60);
    CHECK(budget.full());
    CHECK(budget.held() == 120);
    second.give_back(30);
    CHECK_FALSE(budget.full());
  }
  CHECK(budget.held() == 0);
}

TEST_CASE("bytes in flight: when requests fill the bound the next call is refused as OVERLOADED before its handler") {
  RunningRpc rpc(at_most(1000));
  rpc.server.set_health("", true);
  auto parked = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    return rpc.set(context, std::string(1000, 'k'));
  });
  REQUIRE(rpc.service.lot.wait_for_parked(1));
  const int handled = rpc.service.handled;
  const grpc::Status refused = rpc.get("k");
  CHECK(refused.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(refused.error_message().starts_with("OVERLOADED: the server holds as many bytes"));
  CHECK(retry_after_ms(refused.error_details()) == 100);
  CHECK(rpc.service.handled == handled);
  CHECK(check_health(rpc).ok());  // how the server is may always be asked
  rpc.service.lot.release();
  CHECK(parked.get().ok());
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!rpc.get("k").ok()) REQUIRE(std::chrono::steady_clock::now() < end);
  rpc.server.drain(std::chrono::steady_clock::now() + 10s);
  CHECK(rpc.server.bytes_in_flight().held() == 0);
}

TEST_CASE("bytes in flight: one request larger than the bound is served when nothing else is held") {
  RunningRpc rpc(at_most(1000));
  CHECK(rpc.get(std::string(5000, 'k')).ok());
}

TEST_CASE("bytes in flight: an answer that nobody reads counts, and comes back when it is read") {
  StreamService streams;
  EchoService echo;
  RpcServer server(at_most(500'000), {&streams, &echo});
  REQUIRE(server.start().ok());
  const auto connect = [&] {
    grpc::ChannelArguments own;
    own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(server.addresses().front(), grpc::InsecureChannelCredentials(), own);
  };
  const auto channel = connect();
  const auto other = connect();
  {
    grpc::ClientContext context;
    const auto reader = StreamService::open(*channel, context, "40 1000000");
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (server.bytes_in_flight().held() < 1'000'000) REQUIRE(std::chrono::steady_clock::now() < end);
    CHECK(raw_call(other, "/kvstore.KeyValueStore/Get", "").error_message().starts_with("OVERLOADED"));
    kvstore::GetResponse message;
    int messages = 0;
    while (reader->Read(&message)) ++messages;
    CHECK(messages == 40);
    CHECK(reader->Finish().ok());
  }
  server.drain(std::chrono::steady_clock::now() + 10s);
  CHECK(server.bytes_in_flight().held() == 0);
  server.close();
}

}  // namespace
}  // namespace kv
