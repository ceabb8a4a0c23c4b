// What requests over ranges of keys have in common: reading KeyRange and WriteOptions.
//
// Threads: free functions. Errors: RANGE_INVALID, FIELD_INVALID, DURABILITY_UNAVAILABLE; each names the field.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "kvstore/v1/types.pb.h"
#include "persistence/settings.h"
#include "store/key_range.h"

namespace kv {

absl::StatusOr<KeyRange> key_range_of(const kvstore::v1::KeyRange& message);

// The level asked for; nothing when none is. A request id is refused: nothing remembers it.
absl::StatusOr<std::optional<Level>> level_of(const kvstore::v1::WriteOptions& options);

}  // namespace kv
