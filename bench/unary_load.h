// A closed loop of unary calls: so many in flight, each answered call is followed by the next one.
//
// Hard part: it must not measure itself. One queue and one thread drive all calls, messages are made once, and the
// figure that counts is what the server's process cost, not what this one could send.
//
// Threads: run() uses the calling thread alone.
// Errors:  a server that cannot be reached is UNAVAILABLE; failed calls are counted.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

#include "absl/status/statusor.h"
#include "bench/histogram.h"

namespace kv {

enum class LoadMethod { kGet, kSet };

struct UnaryLoadOptions {
  std::string target;
  LoadMethod method = LoadMethod::kGet;
  int in_flight = 64;
  int channels = 4;  // each with a connection of its own
  int keys = 10000;
  std::size_t value_bytes = 64;
  std::chrono::milliseconds warm_up = std::chrono::seconds(1);
  std::chrono::milliseconds duration = std::chrono::seconds(5);
  std::optional<pid_t> server_process;
};

struct UnaryLoadResult {
  std::chrono::nanoseconds took{};
  Histogram latency;
  std::uint64_t errors = 0;
  std::optional<std::chrono::microseconds> server_cpu;

  double rate() const { return static_cast<double>(latency.count()) / std::chrono::duration<double>(took).count(); }
};

// Sets every key once, then calls. Answers during the warm-up do not count.
absl::StatusOr<UnaryLoadResult> run_unary_load(const UnaryLoadOptions& options);

}  // namespace kv
