// Why a call is not taken on. Threads: any.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "core/error.h"

namespace kv {

// The server holds as many bytes of requests and answers as it may.
inline absl::Status bytes_overloaded(std::size_t bytes_max) {
  return error(Reason::kOverloaded,
               "the server holds as many bytes of requests and answers as it may; nothing was done",
               {{"limit", std::to_string(bytes_max)}, {"retry_after_ms", "100"}});
}

}  // namespace kv
