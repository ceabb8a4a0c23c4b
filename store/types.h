// The words that everything above the store shares: revisions, value types, mutations.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/clock.h"

namespace kv {

// The store-wide number that every committed change gets. 0 means "none". Never goes back, restarts included.
using Revision = std::uint64_t;

// Numbers are part of the file formats and of kvstore.v1.ValueType.
enum class ValueType : std::uint8_t { kString = 1, kHash = 2, kList = 3, kSet = 4, kSortedSet = 5 };

// An expiry time that is not there.
inline constexpr UnixMillis kNoExpiry = 0;

// One change to one key, resolved: no condition, no relative time is left in it, so that applying it again, here or on
// another machine, gives the same state. Numbers are part of the log format.
enum class MutationKind : std::uint8_t {
  kSet = 1,        // key, type, value, expire_at
  kDelete = 2,     // key; somebody asked for it
  kExpire = 3,     // key; its time had come
  kEvict = 4,      // key; memory was needed
  kSetExpiry = 5,  // key, expire_at; the value stays
};

// Lifetime: key and value are views; whoever makes a Mutation keeps the bytes.
struct Mutation {
  MutationKind kind = MutationKind::kSet;
  ValueType type = ValueType::kString;
  UnixMillis expire_at = kNoExpiry;
  std::string_view key;
  std::string_view value;
};

}  // namespace kv
