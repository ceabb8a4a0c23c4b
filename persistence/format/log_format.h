// The bytes of a log segment: constants, and each fixed-size block to and from bytes. No reading, no policy.
//
// Threads: free functions. Errors: decoding answers false for anything that is not exactly right; lengths it returns
// are within the bounds below. Units: bytes. Source: docs/formats/aof.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/checksum.h"
#include "persistence/format/store_id.h"

namespace kv {

inline constexpr std::uint32_t kLogFormatVersion = 1;
inline constexpr std::uint64_t kSegmentMagic = 0x31474f4c564b0a89;  // 89 0A 'K' 'V' 'L' 'O' 'G' '1'
inline constexpr std::uint32_t kBatchMagic = 0x48435442;            // "BTCH"
// The identity's checksum cannot be seeded with the salt, which is inside it.
inline constexpr std::uint64_t kIdentitySeed = 0x6b762d6c6f672d31;
inline constexpr std::uint8_t kRecordTypeMutations = 1;
inline constexpr std::uint8_t kMutationExpires = 1;  // flag of a mutation
inline constexpr std::uint64_t kRequestApplied = 1;  // flags of a request block
inline constexpr std::uint64_t kRequestCreated = 2;

inline constexpr std::size_t kIdentityBytes = 64;
inline constexpr std::size_t kStartBlockBytes = 64;
inline constexpr std::size_t kSegmentHeaderBytes = kIdentityBytes + kStartBlockBytes;
inline constexpr std::size_t kBatchHeaderBytes = 48;
inline constexpr std::size_t kBatchAlignment = 8;
inline constexpr std::size_t kRecordHeaderBytes = 32;
inline constexpr std::size_t kRequestBlockBytes = 48;
inline constexpr std::size_t kMutationHeaderBytes = 12;
inline constexpr std::size_t kExpiryBytes = 8;

// Bounds on what a reader believes. A batch carries at most one record of the largest size, or smaller ones.
inline constexpr std::uint32_t kRecordBytesMax = 16 << 20;
inline constexpr std::uint32_t kBatchPayloadBytesMax = kRecordBytesMax;
inline constexpr std::uint32_t kMutationsMax = kRecordBytesMax / kMutationHeaderBytes;

// "0000000000000001.aof", and back; nothing for any other name.
std::string segment_name(std::uint64_t number);
std::optional<std::uint64_t> segment_number(std::string_view name);

// Written and synced before MANIFEST names the segment, so that it is never torn.
struct SegmentIdentity {
  std::uint32_t version = kLogFormatVersion;
  StoreId store_id{};
  std::uint64_t number = 0;
  std::uint64_t salt = 0;
  std::int64_t created_ms = 0;
};

// Written when the first batch is: seals the predecessor. All zeros until then.
struct StartBlock {
  std::uint64_t base_revision = 0;
  std::uint64_t predecessor_number = 0;
  std::uint64_t predecessor_used = 0;
  std::uint64_t predecessor_last_revision = 0;
  Digest128 predecessor_digest;
  std::int64_t started_ms = 0;
};

struct BatchHeader {
  std::uint32_t payload_bytes = 0;
  std::uint64_t first_revision = 0;     // of its first record; of the next record ever when it has none
  std::uint64_t durable_watermark = 0;  // when the batch was written
  std::int64_t clock_ms = 0;
  std::uint32_t record_count = 0;
};

struct RecordHeader {
  std::uint64_t checksum = 0;
  std::uint32_t record_bytes = 0;  // header included
  std::uint64_t revision = 0;
  std::uint32_t mutation_count = 0;
  bool has_request = false;
};

// Every checksum in a segment but the identity's is seeded with this plus the offset of the block in the file.
std::uint64_t segment_seed(std::uint64_t salt, std::uint64_t number) noexcept;

constexpr std::uint64_t align_batch(std::uint64_t offset) {
  return (offset + (kBatchAlignment - 1)) & ~static_cast<std::uint64_t>(kBatchAlignment - 1);
}

void encode(const SegmentIdentity& identity, std::span<std::byte, kIdentityBytes> into) noexcept;
// Right in magic and checksum; the caller compares version, store id and number.
bool decode(std::span<const std::byte, kIdentityBytes> from, SegmentIdentity& identity) noexcept;

void encode(const StartBlock& start, std::uint64_t seed, std::span<std::byte, kStartBlockBytes> into) noexcept;
bool decode(std::span<const std::byte, kStartBlockBytes> from, std::uint64_t seed, StartBlock& start) noexcept;

void encode(const BatchHeader& batch, std::uint64_t seed, std::uint64_t offset,
            std::span<std::byte, kBatchHeaderBytes> into) noexcept;
// Fills `batch` whenever magic and checksum are right; true only when every field is one that this version writes.
bool decode(std::span<const std::byte, kBatchHeaderBytes> from, std::uint64_t seed, std::uint64_t offset,
            BatchHeader& batch) noexcept;
// Magic and checksum alone: written like this, whatever it says.
bool batch_intact(std::span<const std::byte, kBatchHeaderBytes> from, std::uint64_t seed,
                  std::uint64_t offset) noexcept;

// Without the checksum, which covers the whole record and needs its place: see seal_record().
void encode(const RecordHeader& record, std::span<std::byte, kRecordHeaderBytes> into) noexcept;
// Fills `record`; true when every field is one that this version writes. The caller checks the length's bounds, that
// the bytes are there, and the checksum with record_intact().
bool decode(std::span<const std::byte, kRecordHeaderBytes> from, RecordHeader& record) noexcept;

void seal_record(std::span<std::byte> record, std::uint64_t seed, std::uint64_t offset) noexcept;
bool record_intact(Bytes record, std::uint64_t seed, std::uint64_t offset) noexcept;

}  // namespace kv
