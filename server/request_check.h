// The bounds of API and settings, held against one key, one entry, one operation: before anything is applied.
//
// Threads: free functions.
// Errors:  EMPTY_KEY, KEY_TOO_LARGE, ENTRY_TOO_LARGE; the facts name the field and the limit. What depends on the store
//          (a revision that is not there yet, a counter that overflows) is the engine's.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "server/limits.h"
#include "server/operation.h"

namespace kv {

absl::Status check_key(const Limits& limits, std::string_view key);
absl::Status check_entry(const Limits& limits, std::string_view key, std::string_view value);
absl::Status check_operation(const Limits& limits, const Operation& operation);

}  // namespace kv
