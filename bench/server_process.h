// The server as a process of this machine: which one it is, and what it has used so far.
//
// The process that answers is asked from the kernel: whose is the listening socket of the target. That needs the right
// to look into the process's descriptors; without it, or when the server is elsewhere, there is none.
//
// Threads: free functions. Errors: a process that is not there is NOT_FOUND.
// Source:  proc(5): net/tcp, PID/fd, PID/stat, PID/status, PID/io.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

#include "absl/status/statusor.h"

namespace kv {

std::optional<pid_t> process_behind(const std::string& target);

struct ProcessUse {
  std::chrono::nanoseconds cpu{};
  bool cpu_in_ticks = false;            // 10 ms each
  std::uint64_t memory_bytes = 0;       // resident
  std::uint64_t memory_peak_bytes = 0;  // since its start
  std::uint64_t written_bytes = 0;      // to files and sockets; 0 where the kernel does not tell
  std::uint64_t disk_bytes = 0;         // of them to a disk
};
absl::StatusOr<ProcessUse> use_of(pid_t process);

}  // namespace kv
