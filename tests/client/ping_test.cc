// What finds out that a connection is dead: nobody waits for the ping itself here, which comes after 30 s.
#include <map>
#include <string>

#include <catch2/catch.hpp>
#include <grpc/impl/codegen/grpc_types.h>

#include "client/endpoint.h"

using namespace kv;

namespace {

std::map<std::string, int> numbers_of(const grpc::ChannelArguments& arguments) {
  const grpc_channel_args args = arguments.c_channel_args();
  std::map<std::string, int> numbers;
  for (std::size_t i = 0; i < args.num_args; ++i) {
    if (args.args[i].type == GRPC_ARG_INTEGER) numbers[args.args[i].key] = args.args[i].value.integer;
  }
  return numbers;
}

}  // namespace

TEST_CASE("ping: every channel pings after 30 s of silence, without end, and 10 s without an answer are its end") {
  auto numbers = numbers_of(channel_arguments(1 << 20));
  CHECK(numbers.at(GRPC_ARG_KEEPALIVE_TIME_MS) == 30'000);
  CHECK(numbers.at(GRPC_ARG_KEEPALIVE_TIMEOUT_MS) == 10'000);
  CHECK(numbers.at(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA) == 0);
  CHECK(numbers.at(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH) == 1 << 20);
}
