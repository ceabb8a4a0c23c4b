// Files that do not count any more and must not be removed: damaged ones, and what lay behind a place where the log was
// cut. They stay where they are, under a name that is no data file's.
//
// Hard part: a MANIFEST that does not name them must be durable before they are renamed, and a start removes what
// MANIFEST does not name. So the list is written first, as a file of its own; a start that finds it finishes what a
// crash interrupted before it sweeps.
//
// Threads: one. Errors: CHECKSUM for a list that is not whole; else those of the file system.
// Format:  docs/formats/set-aside.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "persistence/manifest.h"

namespace kv {

inline constexpr char kDamagedEnding[] = ".damaged";
inline constexpr char kCutOffEnding[] = ".cut-off";

struct SetAside {
  std::string file;    // below the data directory: aof/... or snapshots/...
  std::string ending;  // one of the two above: added to its name
  std::uint64_t bytes = 0;
};

absl::Status write_set_aside(FileSystem& fs, const std::string& directory, const std::vector<SetAside>& files);
// Without bytes; empty when there is no list.
absl::StatusOr<std::vector<SetAside>> read_set_aside(FileSystem& fs, const std::string& directory);
// `manifest` is durable. Renames those of `files` that it does not name, durably, and removes the list.
absl::Status carry_out_set_aside(FileSystem& fs, const std::string& directory, const Manifest& manifest,
                                 const std::vector<SetAside>& files);

}  // namespace kv
