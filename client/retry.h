// Whether and when a failed attempt is followed by another.
//
// RetryThrottle is that of gRPC's own retry design (A6): a bucket of 10 tokens, a failed attempt takes one, a call that
// succeeds puts a tenth back, and only above the half anything is retried. So a server that fails everything is not
// asked four times as much as one that is well.
//
// Threads: RetryThrottle from any; the rest is a function.
#pragma once

#include <atomic>
#include <chrono>

#include "client/call_options.h"

namespace kv {

class RetryThrottle {
 public:
  void succeeded() noexcept;
  // False: too many failures lately, no retry.
  bool failed() noexcept;

 private:
  static constexpr int kToken = 10;  // In tenths.
  static constexpr int kTokensMax = 10 * kToken;

  std::atomic<int> tokens_{kTokensMax};
};

// Before the attempt that follows the `attempts_made`th one.
std::chrono::milliseconds retry_delay(const RetryPolicy& policy, int attempts_made);

}  // namespace kv
