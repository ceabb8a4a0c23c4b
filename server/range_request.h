// What requests over ranges of keys have in common: reading KeyRange and WriteOptions.
//
// Threads: free functions. Errors: RANGE_INVALID, FIELD_INVALID, DURABILITY_UNAVAILABLE; each names the field.
#pragma once

#include "absl/status/statusor.h"
#include "kvstore/v1/types.pb.h"
#include "server/operation.h"
#include "store/key_range.h"

namespace kv {

absl::StatusOr<KeyRange> key_range_of(const kvstore::v1::KeyRange& message);

absl::StatusOr<WriteOptions> write_options_of(const kvstore::v1::WriteOptions& message);

}  // namespace kv
