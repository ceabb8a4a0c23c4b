#include "bench/unary_load.h"

#include <catch2/catch.hpp>
#include <unistd.h>

#include "bench/null_service.h"
#include "bench/process_cpu.h"
#include "rpc/server.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

UnaryLoadOptions short_load(const std::string& target) {
  UnaryLoadOptions options;
  options.target = target;
  options.in_flight = 8;
  options.keys = 10;
  options.warm_up = 1ms;
  options.duration = 50ms;
  return options;
}

TEST_CASE("unary load: calls are answered, counted, and charged to the server's process") {
  NullService service;
  RpcServer server({}, {&service});
  REQUIRE(server.start().ok());
  UnaryLoadOptions options = short_load(server.addresses().front());
  options.server_process = getpid();
  for (const LoadMethod method : {LoadMethod::kGet, LoadMethod::kSet}) {
    options.method = method;
    const auto result = run_unary_load(options);
    REQUIRE(result.ok());
    CHECK(result->errors == 0);
    CHECK(result->latency.count() >= 8);
    CHECK(result->took >= options.duration);
    CHECK(result->rate() > 0);
    CHECK(result->server_cpu.has_value());
  }
}

TEST_CASE("unary load: calls that the server refuses are counted as errors") {
  RpcServer server({}, {});  // knows no method of ours
  REQUIRE(server.start().ok());
  const auto result = run_unary_load(short_load(server.addresses().front()));
  REQUIRE(result.ok());
  CHECK(result->errors == result->latency.count());
}

TEST_CASE("process cpu: it grows with work, and a process that is not there is an error") {
  const auto before = process_cpu(getpid());
  REQUIRE(before.ok());
  // Work until the kernel's tick has been charged: what is awaited is the figure itself.
  while (process_cpu(getpid()).value() == *before) {
  }
  CHECK(process_cpu(getpid()).value() > *before);
  constexpr pid_t kNobody = 0x7fffffff;
  CHECK(process_cpu(kNobody).status().code() == absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace kv
