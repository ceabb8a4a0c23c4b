#include "client/retry.h"

#include <algorithm>
#include <random>

namespace kv {

void RetryThrottle::succeeded() noexcept {
  int tokens = tokens_.load(std::memory_order_relaxed);
  while (tokens < kTokensMax && !tokens_.compare_exchange_weak(tokens, tokens + 1, std::memory_order_relaxed)) {
  }
}

bool RetryThrottle::failed() noexcept {
  int tokens = tokens_.load(std::memory_order_relaxed);
  while (!tokens_.compare_exchange_weak(tokens, std::max(0, tokens - kToken), std::memory_order_relaxed)) {
  }
  return tokens - kToken > kTokensMax / 2;
}

std::chrono::milliseconds retry_delay(const RetryPolicy& policy, int attempts_made) {
  std::chrono::milliseconds delay = std::min(policy.delay, policy.delay_max);
  for (int made = 1; made < attempts_made && delay < policy.delay_max; ++made) {
    delay = std::min(delay * policy.delay_factor, policy.delay_max);
  }
  thread_local std::minstd_rand random{std::random_device{}()};
  const std::chrono::milliseconds least = delay / 2;
  return least +
         std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(0, (delay - least).count())(random));
}

}  // namespace kv
