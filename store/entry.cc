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

std::byte* put_field(std::byte* to, std::uint64_t number, std::size_t width) noexcept {
  std::memcpy(to, &number, width);
  return to + width;
}

std::byte* put_text(std::byte* to, std::string_view text) noexcept {
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

}  // namespace

std::uint64_t Entry::digest() const noexcept {
  const bool stored = (flags() & kValueHashBit) != 0;
  return entry_digest({.key_hash = content_hash(key()),
                       .value_hash = stored ? field(layout().value_hash, 8) : content_hash(value()),
                       .type = type(),
                       .version = version(),
                       .create_version = create_version(),
                       .expire_at = expire_at()});
}

Entry* EntryBuilder::build(const Parts& parts) {
  assert(parts.key.size() <= std::numeric_limits<std::uint32_t>::max());
  assert(parts.value.size() <= std::numeric_limits<std::uint32_t>::max());
  const std::uint64_t since_epoch = static_cast<std::uint64_t>(parts.expire_at) - Entry::kShortExpiryEpoch;
  const bool expires = parts.expire_at != kNoExpiry;
  const bool short_expiry = parts.expire_at >= Entry::kShortExpiryEpoch && since_epoch < kShortLimit;
  const unsigned expiry_code = !expires ? 0U : short_expiry ? 1U : 2U;
  const auto delta_code = static_cast<unsigned>(parts.delta);
  const bool keeps_hash = parts.value.size() >= kValueHashFrom;

  const std::size_t size = Entry::kFlagsOffset + 1 + length_bytes(parts.key.size()) + length_bytes(parts.value.size()) +
                           Entry::width_bytes(expiry_code) + Entry::width_bytes(delta_code) + (keeps_hash ? 8U : 0U) +
                           parts.key.size() + parts.value.size();
  auto* const block = static_cast<std::byte*>(data_heap::allocate(size));
  std::byte* to = put_field(block, 0, 8);
  *to++ = static_cast<std::byte>(static_cast<unsigned>(parts.type) | expiry_code << Entry::kExpiryShift |
                                 delta_code << Entry::kCreateShift | (keeps_hash ? Entry::kValueHashBit : 0U));
  to = put_length(to, parts.key.size());
  to = put_length(to, parts.value.size());
  to = put_field(to, short_expiry ? since_epoch : static_cast<std::uint64_t>(parts.expire_at),
                 Entry::width_bytes(expiry_code));
  to = put_field(to, 0, Entry::width_bytes(delta_code));
  to = put_field(to, parts.value_hash, keeps_hash ? 8 : 0);
  to = put_text(to, parts.key);
  to = put_text(to, parts.value);
  assert(to == block + size);
  return reinterpret_cast<Entry*>(block);
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
