// Requests that a client has compressed.
#include <future>
#include <string>

#include <catch2/catch.hpp>
#include <grpc/compression.h>

#include "http2_client.h"
#include "raw_call.h"
#include "running_rpc.h"
#include "tests/support/packed_message.h"

namespace kv {
namespace {

// A GetRequest whose key is 200 times the letter k, as gzip makes it, behind gRPC's prefix: compressed, and how long.
std::string squeezed_get() {
  const unsigned char bytes[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xe3, 0x3a, 0xc1,
                                 0x98, 0x3d, 0x4c, 0x00, 0x00, 0x95, 0x3b, 0x33, 0x6d, 0xcb, 0x00, 0x00, 0x00};
  const std::string squeezed(reinterpret_cast<const char*>(bytes), sizeof bytes);
  return std::string("\x01\0\0\0", 4) + static_cast<char>(squeezed.size()) + squeezed;
}

TEST_CASE("compression: a request that was compressed with gzip is answered as any other") {
  RunningRpc rpc;
  Http2Client client(rpc.server.addresses().front());
  client.add("/kvstore.KeyValueStore/Get", {{"grpc-encoding", "gzip"}, {"grpc-accept-encoding", "gzip"}},
             squeezed_get());
  client.run();
  CHECK(rpc.service.handled == 1);
}

TEST_CASE("compression: a client of the library that asks for it gets what it asked for") {
  RunningRpc rpc;
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  kvstore::GetRequest request;
  request.set_key(std::string(100'000, 'k'));
  kvstore::GetResponse response;
  REQUIRE(rpc.stub->Get(&context, request, &response).ok());
  CHECK(response.value() == "value of " + request.key());
}

TEST_CASE("compression: deflate, which no client here asks for, is unpacked too, and the server's bound holds") {
  RunningRpc rpc;
  const auto algorithm = GENERATE(GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE);
  kvstore::GetRequest request;
  request.set_key(std::string(100'000, 'k'));
  const std::string method = "/kvstore.KeyValueStore/Get";
  const PackedReply reply = call_packed(rpc.channel, method, packed(request.SerializeAsString(), algorithm), algorithm);
  REQUIRE(reply.status.ok());
  kvstore::GetResponse response;
  REQUIRE(response.ParseFromString(reply.answer));
  CHECK(response.value() == "value of " + request.key());

  const PackedReply bomb = call_packed(rpc.channel, method, packed("", algorithm, 9 << 20), algorithm);
  CHECK(bomb.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(bomb.status.error_message().starts_with("Received message larger than max ("));
  const PackedReply broken = call_packed(rpc.channel, method, "no such thing", algorithm);
  CHECK(broken.status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(broken.status.error_message().starts_with("MESSAGE_INVALID: "));
  CHECK(rpc.service.handled == 1);
}

TEST_CASE("compression: what a request has become counts among the bytes in flight, and then health is told unpacked") {
  RpcServerOptions options = small_options();
  options.bytes_in_flight_max = 100'000;
  RunningRpc rpc(options);
  rpc.server.set_health("", true);
  auto parked = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    return rpc.set(context, std::string(100'000, 'k'));
  });
  REQUIRE(rpc.service.lot.wait_for_parked(1));
  CHECK(rpc.server.bytes_in_flight().held() > 100'000);
  CHECK(rpc.get("k").error_message().starts_with("OVERLOADED: "));
  const std::string check = "/grpc.health.v1.Health/Check";
  CHECK(raw_call(rpc.channel, check, "").ok());
  const PackedReply health = call_packed(rpc.channel, check, packed("", GRPC_COMPRESS_GZIP), GRPC_COMPRESS_GZIP);
  CHECK(health.status.error_message().starts_with("OVERLOADED: "));
  rpc.service.lot.release();
  CHECK(parked.get().ok());
}

}  // namespace
}  // namespace kv
