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
[[gnu::cold]] absl::Status unreadable(absl::Status status, const std::string& path);

// DATA_LOSS, or unreadable. Not another format: nothing is lost there, and nobody may agree to go on without it.
bool is_damage(const absl::Status& status);
// A whole file, written by a version of this program with a format that this one does not know: it is for that version
// to read, so the start ends (exit 3) and everything stays as it is.
[[gnu::cold]] absl::Status other_format(const std::string& path, std::uint64_t found, std::uint64_t known);
DamagedPlace place_of(const absl::Status& status, std::string_view directory);

}  // namespace kv
