// Sizes and durations as people write them: in flags, the environment, files, and in what MANIFEST remembers.
//
// Sizes take B KiB MiB GiB TiB KB MB GB TB (a bare number is bytes); durations take ms s m h d (a bare number is an
// error, because nobody knows what it means; "0" alone is allowed). Both are whole numbers. format_*() writes the
// shortest form that parse_*() reads back to the same value, which is the canonical one.
//
// Threads: free functions. Errors: CONFIG_INVALID saying what is accepted; never names the setting, the caller does.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace kv {

absl::StatusOr<std::uint64_t> parse_number(std::string_view text);
absl::StatusOr<std::uint64_t> parse_size(std::string_view text);
absl::StatusOr<std::chrono::milliseconds> parse_duration(std::string_view text);

std::string format_size(std::uint64_t bytes);
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace kv
