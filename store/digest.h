// What one entry adds to the store's order-free digest: the digest of a state is the sum of these, modulo 2^64.
//
// It is part of the snapshot format (the footer holds the sum), so it never changes. Inline and without allocation: the
// snapshot child computes it anew, after fork, and compares it with the sum that the shards keep.
//
// Threads: free functions.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/bytes.h"
#include "core/checksum.h"
#include "store/types.h"

namespace kv {

// The part of a digest that needs the value: computed before the shard's lock is taken. Keys are hashed the same way.
inline std::uint64_t content_hash(std::string_view content) noexcept { return checksum64(as_bytes(content), 0); }

struct DigestedEntry {
  std::uint64_t key_hash = 0;    // content_hash of the key
  std::uint64_t value_hash = 0;  // content_hash of the value
  ValueType type = ValueType::kString;
  Revision version = 0;
  Revision create_version = 0;
  UnixMillis expire_at = kNoExpiry;
};

inline std::uint64_t entry_digest(const DigestedEntry& entry) noexcept {
  std::array<std::byte, 48> bytes;
  ByteWriter writer(bytes);
  writer.number(entry.key_hash);
  writer.number(entry.value_hash);
  writer.number(static_cast<std::uint64_t>(entry.type));
  writer.number(entry.version);
  writer.number(entry.create_version);
  writer.number(static_cast<std::uint64_t>(entry.expire_at));
  return checksum64(bytes, 0);
}

}  // namespace kv
