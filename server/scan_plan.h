// What a ScanRequest asks for, judged: which keys, from where, in chunks of which size.
//
// Threads: free function; a plan is a value.
// Errors:  FIELD_INVALID, RANGE_INVALID, PATTERN_INVALID, TOKEN_INVALID, INDEX_DISABLED; each names the field.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "kvstore/v1/key_value_service.pb.h"
#include "server/limits.h"
#include "server/scan_token.h"
#include "store/walk.h"

namespace kv {

// A client takes messages up to 4 MiB by default. An entry is smaller by 4 KiB, so one always fits.
inline constexpr std::size_t kScanChunkBytesMax = (4 << 20) - (1 << 10);

struct ScanPlan {
  ScanIdentity identity;
  WalkOptions options;
  WalkPlace from;
  bool snapshot = true;
  bool values = false;
  std::uint64_t limit = 0;  // 0: none
  std::size_t chunk_bytes = 64 << 10;
};

// `store`: whose tokens are good, see ScanIdentity.
absl::StatusOr<ScanPlan> scan_plan_of(const kvstore::v1::ScanRequest& request, std::uint64_t store,
                                      const Limits& limits);

}  // namespace kv
