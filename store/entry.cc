#include "store/entry.h"

#include <algorithm>
#include <cassert>
#include <limits>

#include "store/data_heap.h"
#include "store/entry_builder.h"

namespace kv {
namespace {

constexpr std::size_t kValueHashFrom = 256;  // bytes; below it, hashing again costs less than eight bytes a key
constexpr std::uint64_t kShortLimit = std::uint64_t{1} << 40;

std::size_t length_bytes(std::size_t length) noexcept {
  std::size_t bytes = 1;
  for (; length >= 0x80; length >>= 7) ++bytes;
  return bytes;
}

std::byte* put_length(std::byte* to, std::size_t length) noexcept {
  for (; length >= 0x80; length >>= 7) *to++ = static_cast<std::byte>(length | 0x80);
  *to++ = static_cast<std::byte>(length);
  return to;
}

// Of 0, 5 or 8 bytes: a copy of so few, whose number is not known before, would be a call.
std::byte* put_field(std::byte* to, std::uint64_t number, std::size_t width) noexcept {
  if (width == 8) {
    store(to, number);
  } else if (width != 0) {
    store(to, static_cast<std::uint32_t>(number));
    to[4] = static_cast<std::byte>(number >> 32);
  }
  return to + width;
}

std::byte* put_text(std::byte* to, std::string_view text) noexcept {
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

}  // namespace

std::uint64_t Entry::digest(std::uint64_t key_hash, std::uint64_t value_hash) const noexcept {
  const LoadedEntry all = fields();
  return entry_digest({.key_hash = key_hash,
                       .value_hash = value_hash,
                       .type = all.type,
                       .version = all.version,
                       .create_version = all.create_version,
                       .expire_at = all.expire_at});
}

unsigned EntryBuilder::flags_of(const Parts& parts) noexcept {
  const std::uint64_t since_epoch = static_cast<std::uint64_t>(parts.expire_at) - Entry::kShortExpiryEpoch;
  const bool short_expiry = parts.expire_at >= Entry::kShortExpiryEpoch && since_epoch < kShortLimit;
  const unsigned expiry_code = parts.expire_at == kNoExpiry ? 0U : short_expiry ? 1U : 2U;
  return static_cast<unsigned>(parts.type) | expiry_code << Entry::kExpiryShift |
         static_cast<unsigned>(parts.delta) << Entry::kCreateShift |
         (parts.value.size() >= kValueHashFrom ? Entry::kValueHashBit : 0U);
}

std::byte* EntryBuilder::put_expiry(std::byte* to, unsigned flags, UnixMillis expire_at) noexcept {
  const unsigned width = Entry::width_bytes(flags >> Entry::kExpiryShift);
  const UnixMillis epoch = width == Entry::kShortBytes ? Entry::kShortExpiryEpoch : 0;
  return put_field(to, static_cast<std::uint64_t>(expire_at - epoch), width);
}

Entry* EntryBuilder::build(const Parts& parts) {
  assert(parts.key.size() <= std::numeric_limits<std::uint32_t>::max());
  assert(parts.value.size() <= std::numeric_limits<std::uint32_t>::max());
  const unsigned flags = flags_of(parts);
  const unsigned delta_bytes = Entry::width_bytes(flags >> Entry::kCreateShift);
  const unsigned hash_bytes = (flags & Entry::kValueHashBit) != 0 ? 8 : 0;
  const std::size_t size = Entry::kFlagsOffset + 1 + length_bytes(parts.key.size()) + length_bytes(parts.value.size()) +
                           Entry::width_bytes(flags >> Entry::kExpiryShift) + delta_bytes + hash_bytes +
                           parts.key.size() + parts.value.size();
  auto* const block = static_cast<std::byte*>(data_heap::allocate(size));
  std::byte* to = put_field(block, 0, 8);
  *to++ = static_cast<std::byte>(flags);
  to = put_length(to, parts.key.size());
  to = put_length(to, parts.value.size());
  to = put_expiry(to, flags, parts.expire_at);
  to = put_field(to, 0, delta_bytes);
  to = put_field(to, parts.value_hash, hash_bytes);
  to = put_text(to, parts.key);
  to = put_text(to, parts.value);
  assert(to == block + size);
  return reinterpret_cast<Entry*>(block);
}

bool EntryBuilder::fits(const Entry& entry, const Parts& parts) noexcept {
  return entry.flags() == flags_of(parts) && entry.layout().value_bytes == parts.value.size();
}

void EntryBuilder::overwrite(Entry& entry, std::string_view value, std::uint64_t value_hash,
                             UnixMillis expire_at) noexcept {
  auto* const block = reinterpret_cast<std::byte*>(&entry);
  const Entry::Layout at = entry.layout();
  assert(at.value_bytes == value.size());
  put_expiry(block + at.expiry, entry.flags(), expire_at);
  if ((entry.flags() & Entry::kValueHashBit) != 0) put_field(block + at.value_hash, value_hash, 8);
  std::byte* const there = block + at.key + at.key_bytes;
  if (reinterpret_cast<const std::byte*>(value.data()) != there) put_text(there, value);
}

void EntryBuilder::stamp(Entry& entry, Revision version, Revision create_version) noexcept {
  auto* const block = reinterpret_cast<std::byte*>(&entry);
  store(block, version);
  const unsigned width = Entry::width_bytes(entry.flags() >> Entry::kCreateShift);
  const std::uint64_t most = width == 0 ? 0 : width == 8 ? std::numeric_limits<std::uint64_t>::max() : kShortLimit - 1;
  // A file may say anything: that a key is older than its creation, too.
  const std::uint64_t delta = version > create_version ? std::min(version - create_version, most) : 0;
  put_field(block + entry.layout().create_delta, delta, width);
}

void EntryBuilder::replaced(Entry* entry) noexcept { data_heap::reuse(entry, entry->block_bytes()); }

void EntryBuilder::free(Entry* entry) noexcept {
  if (entry != nullptr) data_heap::free(entry, entry->block_bytes());
}

DeltaWidth EntryBuilder::width_for(Revision create_version, Revision highest_seen) noexcept {
  const Revision gap = highest_seen > create_version ? highest_seen - create_version : 0;
  return gap < kShortLimit / 2 ? DeltaWidth::kShort : DeltaWidth::kWide;
}

}  // namespace kv
