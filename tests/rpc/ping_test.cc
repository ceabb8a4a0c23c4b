// How often a client may ask whether its connection still stands.
#include <chrono>

#include <catch2/catch.hpp>

#include "http2_client.h"
#include "running_rpc.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

// The server forgives a second: here 200 ms lie between two pings.
RpcServerOptions patient() {
  RpcServerOptions options = small_options();
  options.ping_interval_min = 1200ms;
  return options;
}

TEST_CASE("ping: a client without calls may ping as often as the server says, every 10 s unless told otherwise") {
  CHECK(RpcServerOptions{}.ping_interval_min == 10s);
  RunningRpc rpc(patient());
  Http2Client client(rpc.server.addresses().front());
  // More than the library forgives, which is two. Counted from the answer: the server then saw them no closer together.
  for (int i = 0; i < 5; ++i) {
    client.ping(1);
    client.wait_for_pong();
    REQUIRE_FALSE(client.cut_off_within(250ms));
  }
}

TEST_CASE("ping: who pings all the time is sent away") {
  RunningRpc rpc(patient());
  Http2Client client(rpc.server.addresses().front());
  client.ping(10);
  CHECK(client.cut_off_within(10s));
}

}  // namespace
}  // namespace kv
