// A closed loop of pipeline messages: so many streams, so many messages under way on each.
//
// Hard part: it must cost less than what it measures. Every message is encoded by hand before the measure begins and
// sent by reference; of the answers only some are read whole, which must all be results without an error.
//
// Threads: run_pipeline_load() uses the calling thread alone.
// Errors:  a server that cannot be reached is UNAVAILABLE, an answer that is not as it must be INTERNAL.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

#include "absl/status/statusor.h"

namespace kv {

struct PipelineLoadOptions {
  std::string target;
  int streams = 2;       // each on a connection of its own
  int depth = 8;         // messages under way on each
  int operations = 128;  // in a message
  int keys = 1'000'000;
  int read_percent = 50;
  std::size_t value_bytes = 64;  // keys have 16
  std::chrono::milliseconds warm_up = std::chrono::seconds(1);
  std::chrono::milliseconds duration = std::chrono::seconds(5);
  std::optional<pid_t> server_process;
};

struct PipelineLoadResult {
  std::chrono::nanoseconds took{};
  std::uint64_t operations = 0;
  std::uint64_t checked = 0;  // answers that were read whole
  std::optional<std::chrono::microseconds> server_cpu;
  std::chrono::microseconds client_cpu{};

  double rate() const { return static_cast<double>(operations) / std::chrono::duration<double>(took).count(); }
};

// Sets every key once, then mixes. Answers during the warm-up do not count.
absl::StatusOr<PipelineLoadResult> run_pipeline_load(const PipelineLoadOptions& options);

}  // namespace kv
