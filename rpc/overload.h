// Why a call is not taken on: OVERLOADED, before anything was done. Every such refusal says when to come again, because
// a client that comes at once makes it worse. rpc/status.h makes a google.rpc.RetryInfo of it.
//
// Threads: any.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/error.h"
#include "rpc/status.h"

namespace kv {

// What is short comes and goes with single calls: soon.
inline constexpr std::chrono::milliseconds kCallsPass{100};
// It comes and goes with walks over all keys.
inline constexpr std::chrono::milliseconds kWalksPass{1000};

// `limit`: how much of it there may be; 0: nothing that a caller could use.
[[gnu::cold]] inline absl::Status overloaded(std::string_view text, std::size_t limit,
                                             std::chrono::milliseconds retry_after) {
  std::map<std::string, std::string> facts{{std::string(kRetryAfterFact), std::to_string(retry_after.count())}};
  if (limit != 0) facts.emplace("limit", std::to_string(limit));
  return error(Reason::kOverloaded, text, facts);
}

// The server holds as many bytes of requests and answers as it may.
[[gnu::cold]] inline absl::Status bytes_overloaded(std::size_t bytes_max) {
  return overloaded("the server holds as many bytes of requests and answers as it may; nothing was done", bytes_max,
                    kCallsPass);
}

}  // namespace kv
