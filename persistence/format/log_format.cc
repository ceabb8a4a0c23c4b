#include "persistence/format/log_format.h"

#include <charconv>

#include <fmt/format.h>

#include "core/bytes.h"

namespace kv {
namespace {

constexpr std::size_t kChecksumBytes = 8;

bool all_zero(Bytes bytes) noexcept {
  for (const std::byte byte : bytes) {
    if (byte != std::byte{0}) return false;
  }
  return true;
}

// The checksum is the last field of every block but the record's.
void seal_block(std::span<std::byte> block, std::uint64_t seed) noexcept {
  const std::size_t covered = block.size() - kChecksumBytes;
  store<std::uint64_t>(block.data() + covered, checksum64(block.first(covered), seed));
}

bool block_intact(Bytes block, std::uint64_t seed) noexcept {
  const std::size_t covered = block.size() - kChecksumBytes;
  return load<std::uint64_t>(block.data() + covered) == checksum64(block.first(covered), seed);
}

}  // namespace

std::string segment_name(std::uint64_t number) { return fmt::format("{:016}.aof", number); }

std::optional<std::uint64_t> segment_number(std::string_view name) {
  constexpr std::string_view kSuffix = ".aof";
  if (!name.ends_with(kSuffix)) return std::nullopt;
  const std::string_view digits = name.substr(0, name.size() - kSuffix.size());
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failure != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  if (number == 0 || segment_name(number) != name) return std::nullopt;
  return number;
}

std::uint64_t segment_seed(std::uint64_t salt, std::uint64_t number) noexcept {
  std::byte both[16];
  store(both, salt);
  store(both + 8, number);
  return checksum64(both, kIdentitySeed);
}

void encode(const SegmentIdentity& identity, std::span<std::byte, kIdentityBytes> into) noexcept {
  ByteWriter writer(into);
  writer.number(kSegmentMagic);
  writer.number(identity.version);
  writer.number(static_cast<std::uint32_t>(kSegmentHeaderBytes));
  writer.bytes(identity.store_id);
  writer.number(identity.number);
  writer.number(identity.salt);
  writer.number(static_cast<std::uint64_t>(identity.created_ms));
  seal_block(into, kIdentitySeed);
}

bool decode(std::span<const std::byte, kIdentityBytes> from, SegmentIdentity& identity) noexcept {
  ByteReader reader(from);
  if (reader.number<std::uint64_t>() != kSegmentMagic || !block_intact(from, kIdentitySeed)) return false;
  identity.version = reader.number<std::uint32_t>();
  const auto header_bytes = reader.number<std::uint32_t>();
  const Bytes id = reader.bytes(identity.store_id.size());
  std::memcpy(identity.store_id.data(), id.data(), id.size());
  identity.number = reader.number<std::uint64_t>();
  identity.salt = reader.number<std::uint64_t>();
  identity.created_ms = static_cast<std::int64_t>(reader.number<std::uint64_t>());
  // Another version may have another header; only the version is then believed.
  return identity.version != kLogFormatVersion || header_bytes == kSegmentHeaderBytes;
}

void encode(const StartBlock& start, std::uint64_t seed, std::span<std::byte, kStartBlockBytes> into) noexcept {
  ByteWriter writer(into);
  writer.number(start.base_revision);
  writer.number(start.predecessor_number);
  writer.number(start.predecessor_used);
  writer.number(start.predecessor_last_revision);
  writer.number(start.predecessor_digest.low);
  writer.number(start.predecessor_digest.high);
  writer.number(static_cast<std::uint64_t>(start.started_ms));
  seal_block(into, seed + kIdentityBytes);
}

bool decode(std::span<const std::byte, kStartBlockBytes> from, std::uint64_t seed, StartBlock& start) noexcept {
  if (!block_intact(from, seed + kIdentityBytes)) return false;
  ByteReader reader(from);
  start.base_revision = reader.number<std::uint64_t>();
  start.predecessor_number = reader.number<std::uint64_t>();
  start.predecessor_used = reader.number<std::uint64_t>();
  start.predecessor_last_revision = reader.number<std::uint64_t>();
  start.predecessor_digest.low = reader.number<std::uint64_t>();
  start.predecessor_digest.high = reader.number<std::uint64_t>();
  start.started_ms = static_cast<std::int64_t>(reader.number<std::uint64_t>());
  return true;
}

void encode(const BatchHeader& batch, std::uint64_t seed, std::uint64_t offset,
            std::span<std::byte, kBatchHeaderBytes> into) noexcept {
  ByteWriter writer(into);
  writer.number(kBatchMagic);
  writer.number(batch.payload_bytes);
  writer.number(batch.first_revision);
  writer.number(batch.durable_watermark);
  writer.number(static_cast<std::uint64_t>(batch.clock_ms));
  writer.number(batch.record_count);
  writer.zeros(4);
  seal_block(into, seed + offset);
}

bool decode(std::span<const std::byte, kBatchHeaderBytes> from, std::uint64_t seed, std::uint64_t offset,
            BatchHeader& batch) noexcept {
  if (!batch_intact(from, seed, offset)) return false;
  ByteReader reader(from);
  reader.skip(sizeof kBatchMagic);
  batch.payload_bytes = reader.number<std::uint32_t>();
  batch.first_revision = reader.number<std::uint64_t>();
  batch.durable_watermark = reader.number<std::uint64_t>();
  batch.clock_ms = static_cast<std::int64_t>(reader.number<std::uint64_t>());
  batch.record_count = reader.number<std::uint32_t>();
  const auto reserved = reader.number<std::uint32_t>();
  return reserved == 0 && batch.payload_bytes <= kBatchPayloadBytesMax &&
         (batch.record_count == 0) == (batch.payload_bytes == 0) &&
         batch.record_count <= batch.payload_bytes / kRecordHeaderBytes;
}

bool batch_intact(std::span<const std::byte, kBatchHeaderBytes> from, std::uint64_t seed,
                  std::uint64_t offset) noexcept {
  return load<std::uint32_t>(from.data()) == kBatchMagic && block_intact(from, seed + offset);
}

void encode(const RecordHeader& record, std::span<std::byte, kRecordHeaderBytes> into) noexcept {
  ByteWriter writer(into);
  writer.number(record.checksum);
  writer.number(record.record_bytes);
  writer.number(kRecordTypeMutations);
  writer.zeros(3);  // flags, reserved
  writer.number(record.revision);
  writer.number(record.mutation_count);
  writer.number(static_cast<std::uint32_t>(record.has_request ? kRequestBlockBytes : 0));
}

bool decode(std::span<const std::byte, kRecordHeaderBytes> from, RecordHeader& record) noexcept {
  ByteReader reader(from);
  record.checksum = reader.number<std::uint64_t>();
  record.record_bytes = reader.number<std::uint32_t>();
  const auto type = reader.number<std::uint8_t>();
  const bool reserved_zero = all_zero(reader.bytes(3));
  record.revision = reader.number<std::uint64_t>();
  record.mutation_count = reader.number<std::uint32_t>();
  const auto request_bytes = reader.number<std::uint32_t>();
  record.has_request = request_bytes != 0;
  return type == kRecordTypeMutations && reserved_zero && (request_bytes == 0 || request_bytes == kRequestBlockBytes) &&
         record.record_bytes <= kRecordBytesMax && record.record_bytes >= kRecordHeaderBytes + request_bytes &&
         record.mutation_count <= (record.record_bytes - kRecordHeaderBytes - request_bytes) / kMutationHeaderBytes;
}

void seal_record(std::span<std::byte> record, std::uint64_t seed, std::uint64_t offset) noexcept {
  store<std::uint64_t>(record.data(), checksum64(record.subspan(kChecksumBytes), seed + offset));
}

bool record_intact(Bytes record, std::uint64_t seed, std::uint64_t offset) noexcept {
  return load<std::uint64_t>(record.data()) == checksum64(record.subspan(kChecksumBytes), seed + offset);
}

}  // namespace kv
