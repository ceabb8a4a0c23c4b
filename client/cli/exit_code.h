// What the command line returns to the shell, and how a failed call becomes one of these numbers.
//
// Threads: free functions. The numbers are an interface (docs/client.md): they do not change.
#pragma once

#include "absl/status/status.h"

namespace kv {

enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kMissing = 3,
  kUnreachable = 4,
  kDeadline = 5,
  kNotAllowed = 6,
  kRefused = 7,  // By the server's state or one of its limits.
  kDamage = 8,
  kInterrupted = 130,
};

ExitCode exit_code_of(const absl::Status& status);

}  // namespace kv
