#include "tools/snapshot_page.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "core/bytes.h"
#include "store/digest.h"

namespace kv::tools {

namespace format = snapshot_format;

namespace {

constexpr std::size_t kChecksumBytes = 8;

template <std::size_t Size>
bool has_magic(Bytes bytes, const std::array<char, Size>& magic) noexcept {
  return as_text(bytes.first(Size)) == std::string_view(magic.data(), Size);
}

std::uint64_t number_at(Bytes bytes, std::size_t offset) noexcept { return load<std::uint64_t>(bytes.data() + offset); }
std::uint32_t small_number_at(Bytes bytes, std::size_t offset) noexcept {
  return load<std::uint32_t>(bytes.data() + offset);
}

bool sealed(Bytes bytes, std::uint64_t seed) noexcept {
  const Bytes body = bytes.first(bytes.size() - kChecksumBytes);
  return number_at(bytes, body.size()) == checksum64(body, seed);
}

absl::StatusOr<Bytes> view_exactly(FileView& file, std::uint64_t offset, std::uint64_t bytes) {
  const auto view = file.view(offset, bytes);
  if (view.ok() && view->size() < bytes) return damage(file.path(), file.size(), "the file ends too early");
  return view;
}

absl::StatusOr<format::Footer> read_footer(FileView& file, std::uint64_t seed) {
  const std::uint64_t offset = file.size() - format::kFooterBytes;
  const auto bytes = view_exactly(file, offset, format::kFooterBytes);
  if (!bytes.ok()) return bytes.status();
  if (!has_magic(*bytes, format::kFooterMagic)) return damage(file.path(), offset, "there is no footer");
  if (!sealed(*bytes, seed + offset)) return damage(file.path(), offset, "the footer's checksum is wrong");
  if (number_at(*bytes, 8) != format::kFooterBytes || !all_zero(bytes->subspan(88, 32))) {
    return damage(file.path(), offset, "the footer is whole, but of a form that this tool does not know");
  }
  format::Footer footer{.blocks = number_at(*bytes, 16),
                        .entries = number_at(*bytes, 24),
                        .data_bytes = number_at(*bytes, 32),
                        .request_ids = number_at(*bytes, 40),
                        .state_digest = number_at(*bytes, 48),
                        .file_bytes = number_at(*bytes, 56),
                        .cut = number_at(*bytes, 64),
                        .digest = {number_at(*bytes, 72), number_at(*bytes, 80)}};
  if (footer.file_bytes != file.size()) {
    return damage(file.path(), offset,
                  fmt::format("the footer says {} bytes, the file has {}", footer.file_bytes, file.size()));
  }
  return footer;
}

absl::Status compare(FileView& file, const SnapshotFacts& facts, const SnapshotClaim& claim) {
  const auto& header = facts.header;
  if (claim.store_id && header.store_id != *claim.store_id)
    return damage(file.path(), 16, "it belongs to another store");
  if (claim.number && header.number != *claim.number) {
    return damage(file.path(), 32, fmt::format("this is snapshot {} under another name", header.number));
  }
  if (claim.cut && header.cut != *claim.cut) {
    return damage(file.path(), 40, fmt::format("it is of revision {}, MANIFEST says {}", header.cut, *claim.cut));
  }
  const std::uint64_t footer_at = file.size() - format::kFooterBytes;
  if (facts.footer.cut != header.cut)
    return damage(file.path(), footer_at, "header and footer are of different revisions");
  if (claim.digest && facts.footer.digest != *claim.digest) {
    return damage(file.path(), footer_at, "its digest is not the one in MANIFEST");
  }
  return absl::OkStatus();
}

// One entry off the reader; what is wrong with it, or nothing.
std::string_view take_entry(ByteReader& reader, Revision cut, std::string_view& key, KeyState& facts,
                            std::string_view& value) {
  const Bytes head = reader.bytes(format::kEntryHeaderBytes);
  if (reader.failed()) return "an entry does not fit into its block";
  const auto type = static_cast<std::uint8_t>(head[0]);
  const auto flags = static_cast<std::uint8_t>(head[1]);
  if (type < static_cast<std::uint8_t>(ValueType::kString) || type > static_cast<std::uint8_t>(ValueType::kSortedSet)) {
    return "an entry of unknown type";
  }
  if (flags > format::kEntryHasExpiry || !all_zero(head.subspan(2, 2))) return "an entry with unknown flags";
  facts.type = static_cast<ValueType>(type);
  facts.version = number_at(head, 12);
  facts.create_version = number_at(head, 20);
  if (facts.version > cut || facts.create_version > facts.version) return "an entry with an impossible version";
  if (flags != 0) facts.expire_at = static_cast<UnixMillis>(reader.number<std::uint64_t>());
  key = reader.text(small_number_at(head, 4));
  value = reader.text(small_number_at(head, 8));
  if (reader.failed()) return "an entry does not fit into its block";
  if (flags != 0 && facts.expire_at == kNoExpiry) return "an entry with an expiry that is none";
  return {};
}

// One request id off the reader; what is wrong with it, or nothing.
std::string_view take_request(ByteReader& reader, Revision cut, format::RequestIdRecord& request) {
  const Bytes bytes = reader.bytes(format::kRequestIdBytes);
  if (reader.failed()) return "a request id does not fit into its block";
  std::copy_n(bytes.begin(), request.id.size(), request.id.begin());
  request.request_hash = number_at(bytes, 16);
  request.revision = number_at(bytes, 24);
  request.added = number_at(bytes, 32);
  request.value = static_cast<std::int64_t>(number_at(bytes, 40));
  request.time = static_cast<std::int64_t>(number_at(bytes, 48));
  request.flags = static_cast<std::uint8_t>(bytes[56]);
  if (request.flags > (format::kRequestIdApplied | format::kRequestIdCreated)) return "a request id with unknown flags";
  if (!all_zero(bytes.subspan(57))) return "a request id with reserved bytes set";
  return request.revision > cut ? "a request id with an impossible revision" : std::string_view();
}

// From block to block up to the footer.
absl::Status read_blocks(FileView& file, std::uint64_t seed, const SnapshotFacts& facts, const SnapshotVisitor& visitor,
                         Progress& progress) {
  const std::uint64_t end = file.size() - format::kFooterBytes;
  DigestStream digest;
  const auto header = view_exactly(file, 0, format::kFileHeaderBytes);
  if (!header.ok()) return header.status();
  digest.update(*header);
  BlockTotals totals;
  std::uint64_t blocks = 0;
  for (std::uint64_t offset = format::kFileHeaderBytes; offset != end; ++blocks) {
    if (end - offset < format::kBlockHeaderBytes) return damage(file.path(), offset, "a block header does not fit");
    const auto block = read_block_header(file, offset);
    if (!block.ok()) return block.status();
    if (block->header.index != blocks) return damage(file.path(), offset, "a block out of order");
    if (block->header.stored_bytes > end - offset - format::kBlockHeaderBytes) {
      return damage(file.path(), offset, "a block reaches into the footer");
    }
    const auto bytes = view_exactly(file, offset, format::kBlockHeaderBytes);
    if (!bytes.ok()) return bytes.status();
    digest.update(*bytes);
    const auto payload = read_block_payload(file, seed, *block);
    if (!payload.ok()) return payload.status();
    if (visitor.block) visitor.block(*block);
    if (absl::Status read = read_entries(file, *block, *payload, facts.header.cut, visitor, totals); !read.ok())
      return read;
    offset += format::kBlockHeaderBytes + block->header.stored_bytes;
    progress.advance(format::kBlockHeaderBytes + block->header.stored_bytes);
  }
  const format::Footer& footer = facts.footer;
  if (blocks != footer.blocks || digest.value() != footer.digest) {
    return damage(file.path(), end, "the block headers are not those that the footer vouches for");
  }
  if (totals.entries != footer.entries || totals.request_ids != footer.request_ids ||
      totals.data_bytes != footer.data_bytes || totals.digest != footer.state_digest) {
    return damage(file.path(), end, "the footer's totals are not those of the entries");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<format::FileHeader> read_snapshot_header(FileView& file, std::uint64_t& seed) {
  const auto bytes = view_exactly(file, 0, format::kFileHeaderBytes);
  if (!bytes.ok()) return bytes.status();
  if (!has_magic(*bytes, format::kFileMagic)) return damage(file.path(), 0, "no snapshot begins here (magic)");
  if (!sealed(*bytes, 0)) return damage(file.path(), 0, "the header's checksum is wrong");
  if (small_number_at(*bytes, 8) != format::kVersion) {
    return damage(file.path(), 8,
                  fmt::format("snapshot format {} is not known to this tool", small_number_at(*bytes, 8)));
  }
  if (small_number_at(*bytes, 12) != format::kFileHeaderBytes || !all_zero(bytes->subspan(72, 48))) {
    return damage(file.path(), 12, "the header is whole, but of a form that this tool does not know");
  }
  format::FileHeader header;
  std::copy_n(bytes->begin() + 16, header.store_id.size(), header.store_id.begin());
  header.number = number_at(*bytes, 32);
  header.cut = number_at(*bytes, 40);
  header.created = static_cast<std::int64_t>(number_at(*bytes, 48));
  header.clock = static_cast<std::int64_t>(number_at(*bytes, 56));
  header.salt = number_at(*bytes, 64);
  seed = number_at(*bytes, format::kFileHeaderBytes - kChecksumBytes);
  return header;
}

absl::StatusOr<SnapshotBlockFacts> read_block_header(FileView& file, std::uint64_t offset) {
  const auto bytes = view_exactly(file, offset, format::kBlockHeaderBytes);
  if (!bytes.ok()) return bytes.status();
  if (!has_magic(*bytes, format::kBlockMagic)) return damage(file.path(), offset, "no block begins here (magic)");
  const auto kind = static_cast<std::uint8_t>((*bytes)[4]);
  const auto codec = static_cast<std::uint8_t>((*bytes)[5]);
  SnapshotBlockFacts block;
  block.offset = offset;
  block.header = {.kind = static_cast<format::BlockKind>(kind),
                  .codec = static_cast<format::Codec>(codec),
                  .stored_bytes = number_at(*bytes, 8),
                  .raw_bytes = number_at(*bytes, 16),
                  .count = small_number_at(*bytes, 24),
                  .index = small_number_at(*bytes, 28)};
  if (kind != 1 && kind != 2) return damage(file.path(), offset, "a block of unknown kind");
  if (codec != 0) return damage(file.path(), offset, "a block with a codec that this version does not read");
  if (!all_zero(bytes->subspan(6, 2))) return damage(file.path(), offset, "a block with reserved bytes set");
  const auto& header = block.header;
  if (header.stored_bytes > format::kBlockBytesMax || header.raw_bytes != header.stored_bytes) {
    return damage(file.path(), offset, "a block of impossible size");
  }
  return block;
}

absl::StatusOr<Bytes> read_block_payload(FileView& file, std::uint64_t seed, const SnapshotBlockFacts& block) {
  if (block.header.stored_bytes > file.size()) return damage(file.path(), block.offset, "a block longer than its file");
  const auto bytes = view_exactly(file, block.offset, format::kBlockHeaderBytes + block.header.stored_bytes);
  if (!bytes.ok()) return bytes.status();
  const Bytes fields = bytes->first(format::kBlockHeaderBytes - kChecksumBytes);
  const Bytes payload = bytes->subspan(format::kBlockHeaderBytes);
  const std::uint64_t payload_seed = checksum64(fields, seed + block.offset);
  if (number_at(*bytes, fields.size()) != checksum64(payload, payload_seed)) {
    return damage(file.path(), block.offset, "the block's checksum is wrong");
  }
  return payload;
}

absl::Status read_entries(FileView& file, const SnapshotBlockFacts& block, Bytes payload, Revision cut,
                          const SnapshotVisitor& visitor, BlockTotals& totals) {
  ByteReader reader(payload);
  for (std::uint32_t i = 0; i < block.header.count; ++i) {
    const std::uint64_t offset = block.offset + format::kBlockHeaderBytes + reader.used();
    if (block.header.kind == format::BlockKind::kRequestIds) {
      format::RequestIdRecord request;
      if (const auto why = take_request(reader, cut, request); !why.empty()) return damage(file.path(), offset, why);
      ++totals.request_ids;
      if (visitor.request) visitor.request(offset, request);
      continue;
    }
    std::string_view key, value;
    KeyState facts;
    if (const auto why = take_entry(reader, cut, key, facts, value); !why.empty())
      return damage(file.path(), offset, why);
    facts.value_hash = content_hash(value);
    ++totals.entries;
    totals.data_bytes += key.size() + value.size();
    totals.digest += digest_of(key, facts);
    if (!visitor.entry) continue;
    if (absl::Status taken = visitor.entry(offset, key, facts, value); !taken.ok()) return taken;
  }
  if (reader.left() != 0) return damage(file.path(), block.offset, "bytes behind the last entry of a block");
  return absl::OkStatus();
}

absl::StatusOr<SnapshotFacts> read_snapshot(FileSystem& fs, const std::string& path, const SnapshotClaim& claim,
                                            const SnapshotVisitor& visitor, Progress& progress) {
  const auto file = FileView::open(fs, path);
  if (errno_of(file.status()) == ENOENT) return damage(path, 0, "named in MANIFEST, but missing");
  if (!file.ok()) return file.status();
  const std::uint64_t size = (*file)->size();
  if (size < format::kFileHeaderBytes + format::kFooterBytes) return damage(path, size, "the file is cut short");
  if (claim.bytes && size != *claim.bytes) {
    return damage(path, std::min(size, *claim.bytes),
                  fmt::format("it has {} bytes, MANIFEST says {}", size, *claim.bytes));
  }
  progress.begin("reading a snapshot", size);
  std::uint64_t seed = 0;
  const auto header = read_snapshot_header(**file, seed);
  if (!header.ok()) return header.status();
  const auto footer = read_footer(**file, seed);
  if (!footer.ok()) return footer.status();
  const SnapshotFacts facts{*header, *footer};
  if (absl::Status same = compare(**file, facts, claim); !same.ok()) return same;
  if (absl::Status read = read_blocks(**file, seed, facts, visitor, progress); !read.ok()) return read;
  return facts;
}

}  // namespace kv::tools
