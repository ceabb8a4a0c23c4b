#include "persistence/format/snapshot_format.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace kv::snapshot_format {
namespace {

constexpr std::size_t kNameDigits = 16;
constexpr std::string_view kNameSuffix = ".snap";
constexpr std::size_t kChecksumBytes = 8;

template <std::size_t Size>
std::string_view text_of(const std::array<char, Size>& magic) noexcept {
  return {magic.data(), magic.size()};
}

template <std::size_t Size>
Bytes without_checksum(const std::array<std::byte, Size>& encoded) noexcept {
  return Bytes(encoded).first(Size - kChecksumBytes);
}

template <std::size_t Size>
std::uint64_t last_number(const std::array<std::byte, Size>& encoded) noexcept {
  return load<std::uint64_t>(encoded.data() + Size - kChecksumBytes);
}

bool fail(std::string_view& why, std::string_view text) noexcept {
  why = text;
  return false;
}

bool all_zero(Bytes bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace

std::string file_name(std::uint64_t number) { return fmt::format("{:016}{}", number, kNameSuffix); }

std::optional<std::uint64_t> number_of(std::string_view name) noexcept {
  if (name.size() < kNameDigits + kNameSuffix.size() || !name.ends_with(kNameSuffix)) return std::nullopt;
  name.remove_suffix(kNameSuffix.size());
  if (name.size() > kNameDigits && name.front() == '0') return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (problem != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

FileHeaderBytes encode(const FileHeader& header) noexcept {
  FileHeaderBytes encoded{};
  ByteWriter writer(encoded);
  writer.text(text_of(kFileMagic));
  writer.number(kVersion);
  writer.number(static_cast<std::uint32_t>(kFileHeaderBytes));
  writer.bytes(header.store_id);
  writer.number(header.number);
  writer.number(header.cut);
  writer.number(static_cast<std::uint64_t>(header.created));
  writer.number(static_cast<std::uint64_t>(header.clock));
  writer.number(header.salt);
  writer.zeros(kFileHeaderBytes - kChecksumBytes - writer.used());
  writer.number(checksum64(without_checksum(encoded), 0));
  return encoded;
}

Seed seed_of(const FileHeaderBytes& encoded) noexcept { return Seed(last_number(encoded)); }

// A damaged version number is damage, not a newer format.
std::uint32_t other_version(const FileHeaderBytes& encoded) noexcept {
  ByteReader reader(encoded);
  if (reader.text(kFileMagic.size()) != text_of(kFileMagic)) return 0;
  if (last_number(encoded) != checksum64(without_checksum(encoded), 0)) return 0;
  const auto version = reader.number<std::uint32_t>();
  return version == kVersion ? 0 : version;
}

bool decode(const FileHeaderBytes& encoded, FileHeader& header, std::string_view& why) noexcept {
  ByteReader reader(encoded);
  if (reader.text(kFileMagic.size()) != text_of(kFileMagic)) return fail(why, "this is no snapshot (magic)");
  const auto version = reader.number<std::uint32_t>();
  const auto size = reader.number<std::uint32_t>();
  // The checksum comes first: a damaged version number is damage, not a newer format.
  if (last_number(encoded) != checksum64(without_checksum(encoded), 0)) return fail(why, "file header checksum");
  if (version != kVersion) return fail(why, "written in a format that this version does not know");
  if (size != kFileHeaderBytes) return fail(why, "file header size");
  const Bytes store_id = reader.bytes(header.store_id.size());
  std::copy(store_id.begin(), store_id.end(), header.store_id.begin());
  header.number = reader.number<std::uint64_t>();
  header.cut = reader.number<std::uint64_t>();
  header.created = static_cast<std::int64_t>(reader.number<std::uint64_t>());
  header.clock = static_cast<std::int64_t>(reader.number<std::uint64_t>());
  header.salt = reader.number<std::uint64_t>();
  if (!all_zero(reader.bytes(reader.left() - kChecksumBytes))) return fail(why, "file header reserved bytes");
  return true;
}

BlockHeaderBytes encode(const BlockHeader& header) noexcept {
  BlockHeaderBytes encoded{};
  ByteWriter writer(encoded);
  writer.text(text_of(kBlockMagic));
  writer.number(static_cast<std::uint8_t>(header.kind));
  writer.number(static_cast<std::uint8_t>(header.codec));
  writer.zeros(2);
  writer.number(header.stored_bytes);
  writer.number(header.raw_bytes);
  writer.number(header.count);
  writer.number(header.index);
  return encoded;
}

void set_checksum(BlockHeaderBytes& encoded, std::uint64_t checksum) noexcept {
  store(encoded.data() + kBlockHeaderBytes - kChecksumBytes, checksum);
}

std::uint64_t checksum_of(const BlockHeaderBytes& encoded) noexcept { return last_number(encoded); }

std::uint64_t payload_seed(const BlockHeaderBytes& encoded, Seed seed, std::uint64_t offset) noexcept {
  return checksum64(without_checksum(encoded), seed.at(offset));
}

bool decode(const BlockHeaderBytes& encoded, BlockHeader& header, std::string_view& why) noexcept {
  ByteReader reader(encoded);
  if (reader.text(kBlockMagic.size()) != text_of(kBlockMagic)) return fail(why, "block magic");
  header.kind = static_cast<BlockKind>(reader.number<std::uint8_t>());
  header.codec = static_cast<Codec>(reader.number<std::uint8_t>());
  const auto reserved = reader.number<std::uint16_t>();
  header.stored_bytes = reader.number<std::uint64_t>();
  header.raw_bytes = reader.number<std::uint64_t>();
  header.count = reader.number<std::uint32_t>();
  header.index = reader.number<std::uint32_t>();
  if (reserved != 0) return fail(why, "block reserved bytes");
  if (header.kind != BlockKind::kEntries && header.kind != BlockKind::kRequestIds) return fail(why, "block kind");
  if (header.codec == Codec::kZstd) return fail(why, "block is compressed, which this version cannot read");
  if (header.codec != Codec::kNone) return fail(why, "block codec");
  if (header.stored_bytes > kBlockBytesMax || header.raw_bytes != header.stored_bytes) return fail(why, "block size");
  return true;
}

FooterBytes encode(const Footer& footer, Seed seed) noexcept {
  FooterBytes encoded{};
  ByteWriter writer(encoded);
  writer.text(text_of(kFooterMagic));
  writer.number(static_cast<std::uint64_t>(kFooterBytes));
  writer.number(footer.blocks);
  writer.number(footer.entries);
  writer.number(footer.data_bytes);
  writer.number(footer.request_ids);
  writer.number(footer.state_digest);
  writer.number(footer.file_bytes);
  writer.number(footer.cut);
  writer.number(footer.digest.low);
  writer.number(footer.digest.high);
  writer.zeros(kFooterBytes - kChecksumBytes - writer.used());
  writer.number(checksum64(without_checksum(encoded), seed.at(footer.file_bytes - kFooterBytes)));
  return encoded;
}

bool decode(const FooterBytes& encoded, Seed seed, Footer& footer, std::string_view& why) noexcept {
  ByteReader reader(encoded);
  if (reader.text(kFooterMagic.size()) != text_of(kFooterMagic)) return fail(why, "footer is missing (magic)");
  const auto size = reader.number<std::uint64_t>();
  footer.blocks = reader.number<std::uint64_t>();
  footer.entries = reader.number<std::uint64_t>();
  footer.data_bytes = reader.number<std::uint64_t>();
  footer.request_ids = reader.number<std::uint64_t>();
  footer.state_digest = reader.number<std::uint64_t>();
  footer.file_bytes = reader.number<std::uint64_t>();
  footer.cut = reader.number<std::uint64_t>();
  footer.digest.low = reader.number<std::uint64_t>();
  footer.digest.high = reader.number<std::uint64_t>();
  const std::uint64_t sum = checksum64(without_checksum(encoded), seed.at(footer.file_bytes - kFooterBytes));
  if (last_number(encoded) != sum) return fail(why, "footer checksum");
  if (size != kFooterBytes) return fail(why, "footer size");
  if (!all_zero(reader.bytes(reader.left() - kChecksumBytes))) return fail(why, "footer reserved bytes");
  return true;
}

std::size_t encode_entry_header(const EntryRecord& entry,
                                std::span<std::byte, kEntryHeaderBytes + kExpiryBytes> into) noexcept {
  ByteWriter writer(into);
  writer.number(entry.type);
  writer.number(entry.expire_at != 0 ? kEntryHasExpiry : std::uint8_t{0});
  writer.zeros(2);
  writer.number(static_cast<std::uint32_t>(entry.key.size()));
  writer.number(static_cast<std::uint32_t>(entry.value.size()));
  writer.number(entry.version);
  writer.number(entry.create_version);
  if (entry.expire_at != 0) writer.number(static_cast<std::uint64_t>(entry.expire_at));
  return writer.used();
}

bool decode(ByteReader& reader, EntryRecord& entry, std::string_view& why) noexcept {
  entry.type = reader.number<std::uint8_t>();
  const auto flags = reader.number<std::uint8_t>();
  const auto reserved = reader.number<std::uint16_t>();
  const auto key_bytes = reader.number<std::uint32_t>();
  const auto value_bytes = reader.number<std::uint32_t>();
  entry.version = reader.number<std::uint64_t>();
  entry.create_version = reader.number<std::uint64_t>();
  if ((flags & ~kEntryHasExpiry) != 0 || reserved != 0) return fail(why, "entry flags");
  const bool expires = (flags & kEntryHasExpiry) != 0;
  entry.expire_at = expires ? static_cast<std::int64_t>(reader.number<std::uint64_t>()) : 0;
  entry.key = reader.text(key_bytes);
  entry.value = reader.text(value_bytes);
  if (reader.failed()) return fail(why, "entry length");
  if (expires && entry.expire_at == 0) return fail(why, "entry expiry");
  return true;
}

void encode(const RequestIdRecord& record, std::span<std::byte, kRequestIdBytes> into) noexcept {
  ByteWriter writer(into);
  writer.bytes(record.id);
  writer.number(record.request_hash);
  writer.number(record.revision);
  writer.number(record.added);
  writer.number(static_cast<std::uint64_t>(record.value));
  writer.number(static_cast<std::uint64_t>(record.time));
  writer.number(record.flags);
  writer.zeros(kRequestIdBytes - writer.used());
}

bool decode(ByteReader& reader, RequestIdRecord& record, std::string_view& why) noexcept {
  const Bytes id = reader.bytes(record.id.size());
  std::copy(id.begin(), id.end(), record.id.begin());
  record.request_hash = reader.number<std::uint64_t>();
  record.revision = reader.number<std::uint64_t>();
  record.added = reader.number<std::uint64_t>();
  record.value = static_cast<std::int64_t>(reader.number<std::uint64_t>());
  record.time = static_cast<std::int64_t>(reader.number<std::uint64_t>());
  record.flags = reader.number<std::uint8_t>();
  const Bytes reserved = reader.bytes(7);
  if (reader.failed()) return fail(why, "request id length");
  if (!all_zero(reserved)) return fail(why, "request id reserved bytes");
  return true;
}

}  // namespace kv::snapshot_format
