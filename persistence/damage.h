// What makes a start refuse: bytes that are not those that were written, and bytes that the disk does not give back.
//
// Threads: free functions. Source: docs/durability.md, "Start".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace kv {

struct DamagedPlace {
  std::string file;  // below the data directory
  std::uint64_t offset = 0;
  std::string what;
};

// EIO, or a file system that has found itself broken, at a known file and offset (read_all_at() tells both, as facts).
bool is_unreadable(const absl::Status& status);
// The same for an error of opening the file: it happened at offset 0. Any other status comes back as it is.
absl::Status unreadable(absl::Status status, const std::string& path);

// DATA_LOSS, or unreadable.
bool is_damage(const absl::Status& status);
DamagedPlace place_of(const absl::Status& status, std::string_view directory);

}  // namespace kv
