// What one log segment says about another, and what recovery and the journal tell each other about it.
// Units: bytes; offsets and sizes from the start of the file, its header included.
#pragma once

#include <cstdint>

#include "core/checksum.h"
#include "persistence/format/store_id.h"
#include "store/types.h"

namespace kv {

// Where a segment ends. The successor's start block holds exactly this; number 0 means that there is no predecessor.
struct SegmentEnd {
  std::uint64_t number = 0;
  std::uint64_t used = 0;  // the first byte that does not belong to it
  Revision last_revision = 0;
  Digest128 digest;  // XXH3-128 of the first `used` bytes
  friend bool operator==(const SegmentEnd&, const SegmentEnd&) = default;
};

// A segment that is full, truncated to its used size and synced: it may be removed once a snapshot covers it.
struct ClosedSegment {
  std::uint64_t number = 0;
  Revision last_revision = 0;
  std::uint64_t bytes = 0;
};

}  // namespace kv
