// Requests over many keys, judged before the first of them is looked at: MultiGet and DeleteRange.
//
// Threads: free functions.
// Errors:  FIELD_INVALID for fields that do not exist; those of request_check.h with the key's index;
//          TOO_MANY_OPERATIONS; those of range_request.h; CONFIRMATION_REQUIRED.
#pragma once

#include "absl/status/statusor.h"
#include "kvstore/v1/key_value_service.pb.h"
#include "server/limits.h"
#include "server/operation.h"
#include "store/key_range.h"

namespace kv {

// Of an answer at one revision, which is held whole before it is sent.
inline constexpr int kConsistentKeysMax = 1024;

absl::Status check_multi_get(const Limits& limits, const kvstore::v1::MultiGetRequest& request);

struct RangeDeletion {
  KeyRange range;
  WriteOptions options;
  bool dry_run = false;  // counts only
};
absl::StatusOr<RangeDeletion> range_deletion_of(const kvstore::v1::DeleteRangeRequest& request);

}  // namespace kv
