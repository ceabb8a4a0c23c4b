// Makes, stamps and frees the blocks that entry.h reads.
//
// Hard part: the version is known only after everything that can fail is done. So build() leaves room for what stamp()
// will write, and stamp() cannot fail.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "store/entry.h"

namespace kv {

// How many bytes the difference between version and create_version may take.
enum class DeltaWidth : std::uint8_t { kNone = 0, kShort = 1, kWide = 2 };

class EntryBuilder {
 public:
  struct Parts {
    std::string_view key;
    std::string_view value;
    std::uint64_t value_hash = 0;  // content_hash of the value
    ValueType type = ValueType::kString;
    UnixMillis expire_at = kNoExpiry;
    DeltaWidth delta = DeltaWidth::kNone;
  };

  // Throws std::bad_alloc. The block has no version yet.
  static Entry* build(const Parts& parts);
  // A create version that is too far away for the room that build() left is kept as near as it can be said.
  static void stamp(Entry& entry, Revision version, Revision create_version) noexcept;
  static void free(Entry* entry) noexcept;
  // The same for one whose successor is there: the next block will be of its size, mostly.
  static void replaced(Entry* entry) noexcept;

  // The room that a version will need which is not much above `highest_seen`: by less than 2^39, some days of writing
  // at full speed to other shards. Farther jumps happen only between two runs, and loading knows both numbers.
  static DeltaWidth width_for(Revision create_version, Revision highest_seen) noexcept;
};

struct FreeEntry {
  void operator()(Entry* entry) const noexcept { EntryBuilder::free(entry); }
};
using EntryPointer = std::unique_ptr<Entry, FreeEntry>;

}  // namespace kv
