// XXH3 checksums: 64 bits for records and blocks, 128 bits for whole files.
//
// Errors found: accidental damage. These are not cryptographic; nobody is kept from forging them.
// Every 64-bit checksum is seeded, so that bytes which are right in one place are wrong in another.
// Source: XXH3 as specified by the xxHash project, through libxxhash.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#define XXH_INLINE_ALL  // Inline on purpose: the snapshot child may call it after fork, and nothing here allocates.
#include <xxhash.h>

namespace kv {

using Bytes = std::span<const std::byte>;

inline Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::uint64_t checksum64(Bytes bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

// checksum64() of bytes that come in pieces. Does not allocate; may be used in the snapshot child.
class Checksum64Stream {
 public:
  explicit Checksum64Stream(std::uint64_t seed) noexcept {
    XXH3_INITSTATE(&state_);  // reset_withSeed looks at the seed that was there before
    XXH3_64bits_reset_withSeed(&state_, seed);
  }
  void update(Bytes bytes) noexcept { XXH3_64bits_update(&state_, bytes.data(), bytes.size()); }
  std::uint64_t value() const noexcept { return XXH3_64bits_digest(&state_); }

 private:
  XXH3_state_t state_;
};

struct Digest128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const Digest128&, const Digest128&) = default;
};

// 32 lower-case hexadecimal digits, the high half first.
std::string to_hex(const Digest128& digest);

// A digest of bytes that come in pieces. Does not allocate; may be used in the snapshot child.
class DigestStream {
 public:
  DigestStream() noexcept { XXH3_128bits_reset(&state_); }
  void update(Bytes bytes) noexcept { XXH3_128bits_update(&state_, bytes.data(), bytes.size()); }
  Digest128 value() const noexcept {
    const XXH128_hash_t hash = XXH3_128bits_digest(&state_);
    return {hash.low64, hash.high64};
  }

 private:
  XXH3_state_t state_;
};

}  // namespace kv
