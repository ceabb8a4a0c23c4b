// What a process has cost so far: the figure that lasts when client and server share a machine.
// Units:  user and kernel time of all its threads, in steps of the kernel's tick (10 ms).
// Errors: a process that is not there is NOT_FOUND.
// Source: proc(5), /proc/PID/stat, fields 14 and 15.
#pragma once

#include <chrono>

#include <sys/types.h>

#include "absl/status/statusor.h"

namespace kv {

absl::StatusOr<std::chrono::microseconds> process_cpu(pid_t process);

}  // namespace kv
