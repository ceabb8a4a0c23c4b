// One key with its value and metadata in one block of memory.
//
// Hard part: the header is as short as it can be, because at 64-byte values it is what a key costs. Fields that a key
// does not need are absent, and times and versions that fit take five bytes instead of eight:
//
//   version              8
//   flags                1   type (3 bits), width of expiry (2), width of create delta (2), value hash present (1)
//   key length           1 to 5, seven bits a byte
//   value length         1 to 5
//   expiry               0, 5 (milliseconds since 2020) or 8 (since 1970)
//   create delta         0, 5 or 8: version - create_version; absent means that they are equal
//   value hash           0 or 8: content_hash, so that replacing a large value does not hash it again under the lock
//   key, value
//
// A 16-byte key with a 64-byte value takes 91 bytes, with an expiry 96: one allocation of the 96-byte class.
//
// Threads:  read under the shard's lock, any number at once; changed only through WriteLock.
// Lifetime: views point into the block, which lives while the lock under which it was found is held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/bytes.h"
#include "store/digest.h"
#include "store/types.h"

namespace kv {

// One entry as plain fields; views. What a snapshot holds.
struct LoadedEntry {
  std::string_view key;
  std::string_view value;
  ValueType type = ValueType::kString;
  Revision version = 0;
  Revision create_version = 0;
  UnixMillis expire_at = kNoExpiry;
};

// From the bytes themselves. Neither locks nor allocates: the snapshot child uses it.
inline std::uint64_t digest_of(const LoadedEntry& entry) noexcept {
  return entry_digest({.key_hash = content_hash(entry.key),
                       .value_hash = content_hash(entry.value),
                       .type = entry.type,
                       .version = entry.version,
                       .create_version = entry.create_version,
                       .expire_at = entry.expire_at});
}

class Entry {
 public:
  Entry() = delete;
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  std::string_view key() const noexcept {
    const Layout at = layout();
    return {reinterpret_cast<const char*>(bytes() + at.key), at.key_bytes};
  }
  std::string_view value() const noexcept {
    const Layout at = layout();
    return {reinterpret_cast<const char*>(bytes() + at.key + at.key_bytes), at.value_bytes};
  }
  ValueType type() const noexcept { return static_cast<ValueType>(flags() & 7); }
  // Of the last change.
  Revision version() const noexcept { return kv::load<std::uint64_t>(bytes()); }
  // Of the change that made the key appear.
  Revision create_version() const noexcept { return create_version(layout()); }
  // kNoExpiry when there is none.
  UnixMillis expire_at() const noexcept { return expires() ? expire_at(layout()) : kNoExpiry; }
  bool expires() const noexcept { return width_bytes(flags() >> kExpiryShift) != 0; }
  bool due(UnixMillis now) const noexcept { return expires() && expire_at() <= now; }

  // All of them, for the price of one.
  LoadedEntry fields() const noexcept {
    const Layout at = layout();
    const char* const key = reinterpret_cast<const char*>(bytes() + at.key);
    return {.key = {key, at.key_bytes},
            .value = {key + at.key_bytes, at.value_bytes},
            .type = type(),
            .version = version(),
            .create_version = create_version(at),
            .expire_at = expire_at(at)};
  }
  // The bytes that were asked of the allocator.
  std::size_t block_bytes() const noexcept {
    const Layout at = layout();
    return at.key + std::size_t{at.key_bytes} + at.value_bytes;
  }
  // content_hash of the value, without reading a large one.
  std::uint64_t value_hash() const noexcept {
    return (flags() & kValueHashBit) != 0 ? field(layout().value_hash, 8) : content_hash(value());
  }
  // The same number as digest_of(fields()), where content_hash of key and value is known.
  std::uint64_t digest(std::uint64_t key_hash, std::uint64_t value_hash) const noexcept;
  // Without reading a large value.
  std::uint64_t digest() const noexcept { return digest(content_hash(key()), value_hash()); }

 private:
  friend class EntryBuilder;

  static constexpr unsigned kFlagsOffset = 8;
  static constexpr unsigned kExpiryShift = 3;
  static constexpr unsigned kCreateShift = 5;
  static constexpr unsigned kValueHashBit = 0x80;
  static constexpr unsigned kShortBytes = 5;
  static constexpr UnixMillis kShortExpiryEpoch = 1'577'836'800'000;  // 2020-01-01; five bytes last until 2054

  struct Layout {
    unsigned expiry;  // offsets
    unsigned create_delta;
    unsigned value_hash;
    unsigned key;
    std::uint32_t key_bytes;
    std::uint32_t value_bytes;
  };

  static constexpr unsigned width_bytes(unsigned code) noexcept {
    constexpr std::uint32_t kBytes = 8U << 24 | 8U << 16 | kShortBytes << 8;  // one byte a code: no table to look in
    return kBytes >> (code & 3) * 8 & 0xFF;
  }

  const std::byte* bytes() const noexcept { return reinterpret_cast<const std::byte*>(this); }
  unsigned flags() const noexcept { return std::to_integer<unsigned>(bytes()[kFlagsOffset]); }
  std::uint64_t field(unsigned offset, unsigned width) const noexcept {
    const std::byte* const from = bytes() + offset;
    if (width == 0) return 0;
    if (width == 8) return kv::load<std::uint64_t>(from);
    return kv::load<std::uint32_t>(from) | std::to_integer<std::uint64_t>(from[4]) << 32;
  }
  Revision create_version(const Layout& at) const noexcept {
    return version() - field(at.create_delta, width_bytes(flags() >> kCreateShift));
  }
  UnixMillis expire_at(const Layout& at) const noexcept {
    const unsigned width = width_bytes(flags() >> kExpiryShift);
    const auto stored = static_cast<UnixMillis>(field(at.expiry, width));
    return width == kShortBytes ? stored + kShortExpiryEpoch : stored;  // without a width 0, which is kNoExpiry
  }
  std::uint32_t length(unsigned& offset) const noexcept {
    auto number = std::to_integer<std::uint32_t>(bytes()[offset++]);
    if (number < 0x80) return number;
    number &= 0x7F;
    for (unsigned shift = 7;; shift += 7) {
      const auto byte = std::to_integer<std::uint32_t>(bytes()[offset++]);
      number |= (byte & 0x7F) << shift;
      if (byte < 0x80) return number;
    }
  }
  Layout layout() const noexcept {
    Layout at;
    unsigned offset = kFlagsOffset + 1;
    at.key_bytes = length(offset);
    at.value_bytes = length(offset);
    at.expiry = offset;
    at.create_delta = at.expiry + width_bytes(flags() >> kExpiryShift);
    at.value_hash = at.create_delta + width_bytes(flags() >> kCreateShift);
    at.key = at.value_hash + ((flags() & kValueHashBit) != 0 ? 8 : 0);
    return at;
  }
};

}  // namespace kv
