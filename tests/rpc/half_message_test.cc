// Messages that are not whole yet are the library's: what it holds of them is bounded, and the server serves on.
#include <chrono>
#include <string>

#include <catch2/catch.hpp>

#include "running_rpc.h"
#include "tests/support/half_messages.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

RpcServerOptions small_messages() {
  RpcServerOptions options = small_options();
  options.message_bytes_max = 2 << 20;
  options.bytes_in_flight_max = 1 << 20;
  return options;
}

// 72 MB of them, more than four times what the library may hold.
HalfMessages::Plan half_messages(const RunningRpc& rpc) {
  return {.address = rpc.server.addresses().front(),
          .path = "/kvstore.KeyValueStore/Set",
          .connections = 4,
          .streams = 12,
          .bytes = 1'500'000};
}

template <class Condition>
void press_until(HalfMessages& halves, Condition reached) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!reached()) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    halves.step();
  }
}

TEST_CASE("half messages: a small server may still take several of the largest at once") {
  RunningRpc rpc(small_messages());
  CHECK(rpc.server.library_bytes_max() == 16 << 20);
}

TEST_CASE("half messages: what the library holds of messages that do not end comes below its bound") {
  RunningRpc rpc(small_messages());
  HalfMessages halves(half_messages(rpc));
  press_until(halves, [&] { return halves.all_sent() && halves.bytes_held() <= rpc.server.library_bytes_max(); });
  CHECK(halves.streams_cut_off() + halves.connections_closed() > 0);
  CHECK(halves.bytes_held() > 0);
}

TEST_CASE("half messages: calls are answered beside them, and afterwards nothing is cut off any more") {
  RunningRpc rpc(small_messages());
  const std::string largest(2'000'000, 'k');
  {
    HalfMessages::Plan plan = half_messages(rpc);
    plan.again = true;
    HalfMessages halves(plan);
    press_until(halves, [&] { return halves.streams_cut_off() >= 100; });
    int answered = 0;  // A call may be cut off with them; it is not kept out.
    press_until(halves, [&] {
      answered += rpc.get("k").ok() ? 1 : 0;
      return answered >= 10;
    });
  }
  const auto end = std::chrono::steady_clock::now() + 20s;
  for (int in_a_row = 0; in_a_row < 50;) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    in_a_row = rpc.get(largest).ok() ? in_a_row + 1 : 0;
  }
}

}  // namespace
}  // namespace kv
