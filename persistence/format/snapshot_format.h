// The bytes of a snapshot file: header, blocks, footer. Layouts and constants only; docs/formats/snapshot.md is the
// page.
//
// Hard part: the encoders run in the snapshot child, after fork: no call here that encodes allocates, throws or locks.
// The decoders read what a disk holds, so they trust nothing and say in one word what is wrong.
//
// Threads: free functions. Lifetime: EntryRecord's views point into the bytes it was decoded from.
// Units:   bytes; times are milliseconds since 1970-01-01 UTC.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/checksum.h"
#include "persistence/format/store_id.h"

namespace kv::snapshot_format {

inline constexpr std::array<char, 8> kFileMagic = {'K', 'V', 'S', 'N', 'A', 'P', '\r', '\n'};
inline constexpr std::array<char, 8> kFooterMagic = {'K', 'V', 'S', 'N', 'E', 'N', 'D', '\n'};
inline constexpr std::array<char, 4> kBlockMagic = {'K', 'V', 'B', 'K'};
inline constexpr std::uint32_t kVersion = 1;

inline constexpr std::size_t kFileHeaderBytes = 128;
inline constexpr std::size_t kBlockHeaderBytes = 40;
inline constexpr std::size_t kFooterBytes = 128;
inline constexpr std::size_t kEntryHeaderBytes = 28;
inline constexpr std::size_t kExpiryBytes = 8;
inline constexpr std::size_t kRequestIdBytes = 64;
inline constexpr std::uint8_t kEntryHasExpiry = 1;    // flag of an entry
inline constexpr std::uint8_t kRequestIdApplied = 1;  // flags of a request id
inline constexpr std::uint8_t kRequestIdCreated = 2;
// What a writer puts into one block, unless a single entry is larger than that and has the block for itself.
inline constexpr std::size_t kBlockTargetBytes = 1 << 20;
// No payload is longer: a key and a value of 32-bit lengths and what stands before them.
inline constexpr std::uint64_t kBlockBytesMax = 2 * std::uint64_t{0xffff'ffff} + kEntryHeaderBytes + kExpiryBytes;

enum class BlockKind : std::uint8_t { kEntries = 1, kRequestIds = 2 };
enum class Codec : std::uint8_t { kNone = 0, kZstd = 1 };

struct FileHeader {
  StoreId store_id{};
  std::uint64_t number = 0;
  std::uint64_t cut = 0;
  std::int64_t created = 0;
  std::int64_t clock = 0;  // the last value of the server's clock at the cut: a lower bound at the next start
  std::uint64_t salt = 0;  // random, so that no block of another snapshot passes here

  friend bool operator==(const FileHeader&, const FileHeader&) = default;
};

struct BlockHeader {
  BlockKind kind = BlockKind::kEntries;
  Codec codec = Codec::kNone;
  std::uint64_t stored_bytes = 0;
  std::uint64_t raw_bytes = 0;
  std::uint32_t count = 0;
  std::uint32_t index = 0;
};

struct Footer {
  std::uint64_t blocks = 0;
  std::uint64_t entries = 0;
  std::uint64_t data_bytes = 0;  // keys and values alone
  std::uint64_t request_ids = 0;
  std::uint64_t state_digest = 0;  // the store's order-free sum at the cut
  std::uint64_t file_bytes = 0;    // the whole file, this footer included
  std::uint64_t cut = 0;
  Digest128 digest;  // of the file header and every block header, in order

  friend bool operator==(const Footer&, const Footer&) = default;
};

// One key as a block holds it. Views.
struct EntryRecord {
  std::uint8_t type = 0;
  std::uint64_t version = 0;
  std::uint64_t create_version = 0;
  std::int64_t expire_at = 0;  // 0: none
  std::string_view key;
  std::string_view value;

  std::uint64_t encoded_bytes() const noexcept {
    return kEntryHeaderBytes + (expire_at != 0 ? kExpiryBytes : 0) + key.size() + value.size();
  }
};

// The remembered answer to a write that carried a request id.
struct RequestIdRecord {
  std::array<std::byte, 16> id{};
  std::uint64_t request_hash = 0;
  std::uint64_t revision = 0;
  std::uint64_t added = 0;
  std::int64_t value = 0;
  std::int64_t time = 0;
  std::uint8_t flags = 0;

  friend bool operator==(const RequestIdRecord&, const RequestIdRecord&) = default;
};

// The seed of every checksum after the file header's: the header's own checksum, plus where the thing lies.
class Seed {
 public:
  explicit Seed(std::uint64_t header_checksum) noexcept : base_(header_checksum) {}
  std::uint64_t at(std::uint64_t offset) const noexcept { return base_ + offset; }

 private:
  std::uint64_t base_;
};

using FileHeaderBytes = std::array<std::byte, kFileHeaderBytes>;
using BlockHeaderBytes = std::array<std::byte, kBlockHeaderBytes>;
using FooterBytes = std::array<std::byte, kFooterBytes>;

// "0000000000000042.snap"
std::string file_name(std::uint64_t number);
// The number in such a name, exactly as file_name() writes it; nothing for any other name.
std::optional<std::uint64_t> number_of(std::string_view name) noexcept;

FileHeaderBytes encode(const FileHeader& header) noexcept;
Seed seed_of(const FileHeaderBytes& encoded) noexcept;
// The format version of a whole header that is not ours; 0: it is ours, or no header at all.
std::uint32_t other_version(const FileHeaderBytes& encoded) noexcept;
// On failure `why` says what is wrong, in a few words; it is never null.
bool decode(const FileHeaderBytes& encoded, FileHeader& header, std::string_view& why) noexcept;

// The checksum field is left zero for set_checksum(), which needs the payload.
BlockHeaderBytes encode(const BlockHeader& header) noexcept;
void set_checksum(BlockHeaderBytes& encoded, std::uint64_t checksum) noexcept;
std::uint64_t checksum_of(const BlockHeaderBytes& encoded) noexcept;
// A block's checksum is that of its payload, seeded with this: the checksum of the header's own fields, which in turn
// is seeded with the block's place in the file.
std::uint64_t payload_seed(const BlockHeaderBytes& encoded, Seed seed, std::uint64_t offset) noexcept;
// Fields only; the caller compares the checksum when it has the payload.
bool decode(const BlockHeaderBytes& encoded, BlockHeader& header, std::string_view& why) noexcept;

FooterBytes encode(const Footer& footer, Seed seed) noexcept;
bool decode(const FooterBytes& encoded, Seed seed, Footer& footer, std::string_view& why) noexcept;

// What stands before the key: kEntryHeaderBytes, and kExpiryBytes more when there is an expiry. Returns its size.
std::size_t encode_entry_header(const EntryRecord& entry,
                                std::span<std::byte, kEntryHeaderBytes + kExpiryBytes> into) noexcept;
// Takes one entry off the reader.
bool decode(ByteReader& reader, EntryRecord& entry, std::string_view& why) noexcept;

void encode(const RequestIdRecord& record, std::span<std::byte, kRequestIdBytes> into) noexcept;
bool decode(ByteReader& reader, RequestIdRecord& record, std::string_view& why) noexcept;

}  // namespace kv::snapshot_format
