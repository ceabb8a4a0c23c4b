// Reads the Go project's snapshots: one encoding/gob stream that holds one map[string][]byte, and nothing else.
//
// Hard part: gob has no checksum, so a flipped bit inside a value cannot be seen; what can be seen is a stream that is
// not exactly this form from its first byte to its last. Every length is compared with what is left of its message, and
// that with what is left of the file, before anything is taken.
//
// Threads: one. Lifetime: views are gone when the visitor returns.
// Errors:  damage() with file and offset. What the visitor was given by then is void.
// Source:  the documentation of encoding/gob, "Encoding Details".
#pragma once

#include <functional>
#include <string_view>

#include "absl/status/statusor.h"
#include "tools/file_view.h"

namespace kv::tools {

using VisitPair = std::function<absl::Status(std::string_view key, std::string_view value)>;

// How many pairs.
absl::StatusOr<std::uint64_t> read_gob_map(FileView& file, const VisitPair& visit);

}  // namespace kv::tools
