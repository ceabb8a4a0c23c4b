// Makes, stamps and frees the blocks that entry.h reads.
//
// Hard part: the version is known only after everything that can fail is done. So build() leaves room for what stamp()
// will write, and stamp() cannot fail.
#pragma once

#include <cstddef>
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
  // Whether parts with the entry's own key are as wide as what is there, so that overwrite() can put them into its
  // block; stamp() follows. The value may be the entry's own.
  static bool fits(const Entry& entry, const Parts& parts) noexcept;
  static void overwrite(Entry& entry, std::string_view value, std::uint64_t value_hash, UnixMillis expire_at) noexcept;
  // A create version that is too far away for the room that build() left is kept as near as it can be said.
  static void stamp(Entry& entry, Revision version, Revision create_version) noexcept;
  static void free(Entry* entry) noexcept;
  // The same for one whose successor is there: the next block will be of its size, mostly.
  static void replaced(Entry* entry) noexcept;

  // The room that a version will need which is not much above `highest_seen`: by less than 2^39, some days of writing
  // at full speed to other shards. Farther jumps happen only between two runs, and loading knows both numbers.
  static DeltaWidth width_for(Revision create_version, Revision highest_seen) noexcept;

 private:
  static unsigned flags_of(const Parts& parts) noexcept;
  // As wide as the flags say; gives where it ends.
  static std::byte* put_expiry(std::byte* to, unsigned flags, UnixMillis expire_at) noexcept;
};

struct FreeEntry {
  void operator()(Entry* entry) const noexcept { EntryBuilder::free(entry); }
};
using EntryPointer = std::unique_ptr<Entry, FreeEntry>;

}  // namespace kv
