// Whole numbers with a sign, as people write them.
//
// Threads: free function. Errors: INVALID_ARGUMENT; the message is the line to show.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace kv {

absl::StatusOr<std::int64_t> parse_signed(std::string_view word);

}  // namespace kv
