// Connections that are told to end by their age: calls do not notice, and nobody stays for ever.
#include <chrono>
#include <future>
#include <string>

#include <catch2/catch.hpp>

#include "running_rpc.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

RpcServerOptions young(std::chrono::milliseconds age, std::chrono::milliseconds grace) {
  RpcServerOptions options = small_options();
  options.connection_age_max = age;
  options.connection_age_grace = grace;
  return options;
}

TEST_CASE("connection age: calls go on over new connections, and none of them fails") {
  RunningRpc rpc(young(50ms, 30s));
  const auto bound = std::chrono::steady_clock::now() + 20s;
  while (rpc.server.connections().accepted < 4) {
    REQUIRE(rpc.get("k").ok());
    REQUIRE(std::chrono::steady_clock::now() < bound);
  }
}

TEST_CASE("connection age: a call that is under way has the grace, a longer one is cut off with it") {
  const bool patient = GENERATE(true, false);
  RunningRpc rpc(young(50ms, patient ? std::chrono::milliseconds(30s) : 200ms));
  auto parked = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    return rpc.set(context, "k");
  });
  REQUIRE(rpc.service.lot.wait_for_parked(1));
  // It was told: the next calls take another connection.
  while (rpc.server.connections().accepted < 2) REQUIRE(rpc.get("k").ok());
  if (patient) rpc.service.lot.release();
  CHECK(parked.get().error_code() == (patient ? grpc::StatusCode::OK : grpc::StatusCode::UNAVAILABLE));
}

}  // namespace
}  // namespace kv
