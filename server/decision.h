// What an operation makes of its key: the one place where preconditions are tested, expiry policies resolved, counters
// counted. Everything that is left to do afterwards is resolved: no condition, no relative time.
//
// Hard part: it must be called while the key's shard is locked, and what it decides must be applied before the lock is
// given up. That is why it neither waits nor looks anything up: it is given what there is to see.
//
// Threads:  pure. Lifetime: a Decision's views are those of the operation and of the entry it was given.
// Errors:   in the outcome, as docs/api/v1.md lists them. std::bad_alloc from a value that is made here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "server/operation.h"
#include "store/store.h"

namespace kv {

// The key as the operation finds it. An entry that is due is not there.
struct SeenKey {
  const Entry* entry = nullptr;
  // The key was changed by an earlier operation of the same record: its version is not known yet, and equal to none
  // that anybody could have named. Its create_version is `create_version`, or, when that is 0, the record's own
  // revision.
  bool unnumbered = false;
  Revision create_version = 0;
  // That an earlier operation of the same record gave the key. The entry is still without it.
  std::optional<UnixMillis> new_expiry = {};

  UnixMillis expire_at() const noexcept { return new_expiry ? *new_expiry : entry->expire_at(); }
};

struct Decision {
  enum class Change : std::uint8_t { kNone, kPut, kSetExpiry, kRemove };

  Change change = Change::kNone;
  bool removed_by_time = false;  // of kRemove: the expiry it was given has passed. Logged even if nothing was there
  bool makes_value = false;
  UnixMillis expire_at = kNoExpiry;  // of kPut and kSetExpiry
  std::string_view given;            // of kPut, unless it makes its value
  std::string made;
  Outcome outcome;

  std::string_view value() const noexcept { return makes_value ? std::string_view(made) : given; }
};

// A counter's text: all digits of 64 bits and a minus.
inline constexpr std::size_t kCounterBytesMax = std::numeric_limits<std::int64_t>::digits10 + 2;

// Fills a decision that is new. `now` is read under the same lock; or before it, where no key of the shard expires.
void decide(const Operation& operation, const SeenKey& seen, UnixMillis now, std::size_t entry_bytes_max,
            Decision& decision);

// Whether a key that is found so passes the test.
bool holds(const Precondition& precondition, const SeenKey& seen) noexcept;

}  // namespace kv
