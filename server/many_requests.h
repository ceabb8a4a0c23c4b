// Requests over many keys, judged before the first of them is looked at: MultiGet and DeleteRange.
//
// Threads: free functions.
// Errors:  FIELD_INVALID for fields that do not exist; those of request_check.h with the key's index;
//          TOO_MANY_OPERATIONS; those of range_request.h; CONFIRMATION_REQUIRED.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kvstore/v1/key_value_service.pb.h"
#include "server/limits.h"
#include "server/operation.h"
#include "store/key_range.h"

namespace kv {

inline constexpr std::size_t kMultiGetKeysMax = 65536;
// Of an answer at one revision, which is held whole before it is sent.
inline constexpr std::size_t kConsistentKeysMax = 1024;

// A MultiGet. Lifetime: the keys view the bytes it was read from.
struct WantedKeys {
  std::vector<std::string_view> keys;
  bool omit_values = false;
  bool consistent = false;

  std::size_t memory_bytes() const noexcept { return keys.capacity() * sizeof(std::string_view); }
};
// A key too many is refused where it stands, whatever comes behind it. Throws std::bad_alloc.
absl::StatusOr<WantedKeys> read_multi_get(const Limits& limits, std::string_view bytes);

struct RangeDeletion {
  KeyRange range;
  WriteOptions options;
  bool dry_run = false;  // counts only
};
absl::StatusOr<RangeDeletion> range_deletion_of(const kvstore::v1::DeleteRangeRequest& request);

}  // namespace kv
