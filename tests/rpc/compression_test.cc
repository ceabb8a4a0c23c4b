// Requests that a client has compressed.
#include <string>

#include <catch2/catch.hpp>
#include <grpc/compression.h>

#include "http2_client.h"
#include "running_rpc.h"

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

}  // namespace
}  // namespace kv
