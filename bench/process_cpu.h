// What a process has cost so far: the figure that lasts when client and server share a machine.
//
// The kernel's clock of the process counts nanoseconds. Where it gives none for another process the figures of
// /proc/PID/stat are taken, which go in ticks of 10 ms, and that is said: of a run of 100 ms they are a guess.
//
// Threads: any. Errors: a process that is not there is NOT_FOUND.
// Source: clock_getcpuclockid(3); proc(5), /proc/PID/stat, fields 14 and 15.
#pragma once

#include <chrono>

#include <sys/types.h>

#include "absl/status/statusor.h"

namespace kv {

// User and kernel time of all threads.
struct CpuTime {
  std::chrono::nanoseconds time{};
  bool in_ticks = false;
};
absl::StatusOr<CpuTime> process_cpu(pid_t process);
// The coarse way alone.
absl::StatusOr<CpuTime> process_cpu_in_ticks(pid_t process);

}  // namespace kv
