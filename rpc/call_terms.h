// What the calls of a server have in common, whichever reactor they are on; it may change while they run.
//
// Threads:  all of it from any thread. Lifetime: outlives the reactors.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>

#include "rpc/byte_budget.h"

namespace kv {

struct CallTerms {
  explicit CallTerms(std::size_t bytes_max, std::size_t message_bytes_max, std::chrono::milliseconds deadline)
      : bytes(bytes_max), message_bytes_max(message_bytes_max), default_deadline(deadline) {}

  ByteBudget bytes;
  // The largest message that is taken, unpacked.
  const std::size_t message_bytes_max;
  // A unary call whose caller set no deadline has this long; 0: as long as it takes. Of calls that begin from now on.
  std::atomic<std::chrono::milliseconds> default_deadline;
};

}  // namespace kv
