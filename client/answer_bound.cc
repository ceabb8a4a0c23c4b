#include "client/answer_bound.h"

#include <algorithm>

#include "client/unary_call.h"

namespace kv {
namespace {

constexpr std::size_t kSettableMost = std::size_t{256} << 20;  // Of --max-message-bytes.
constexpr std::size_t kFraming = std::size_t{1} << 20;         // Versions, expiries and field tags around the entries.

std::size_t bound_of(const kvstore::v1::Config& config) {
  const std::uint64_t largest = std::max(config.max_entry_bytes(), config.max_message_bytes());
  return static_cast<std::size_t>(std::min<std::uint64_t>(largest, kSettableMost)) + kFraming;
}

bool will_never_tell(absl::StatusCode code) {
  using enum absl::StatusCode;
  return code == kUnimplemented || code == kPermissionDenied || code == kUnauthenticated;
}

}  // namespace

Task<bool> find_answer_bound(Transport& transport, Endpoint& endpoint, CallOptions options) {
  bool mine = false;
  co_await OnCompletion([&](Completion& woken) { transport.find_bound(woken, mine); });
  if (!mine) co_return transport.bound_known();
  options.retry.attempts = 1;
  const auto answer = co_await call_unary(transport, endpoint, methods::kGetConfig, kvstore::v1::GetConfigRequest(),
                                          options, true, nullptr, false);
  std::size_t bound = 0;
  if (answer.ok()) {
    bound = bound_of(answer->config());
  } else if (will_never_tell(answer.status().code())) {
    bound = kSettableMost + kFraming;
  }
  transport.bound_found(bound);
  co_return transport.bound_known();
}

}  // namespace kv
