#include "persistence/snapshot_file.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.h"
#include "persistence/damage.h"

namespace kv {

using namespace snapshot_format;

namespace {

absl::Status damaged_file(const File& file, std::string_view what, std::uint64_t offset) {
  return error(Reason::kChecksum, fmt::format("snapshot {}: {} at offset {}", file.path(), what, offset),
               {{"file", file.path()}, {"offset", std::to_string(offset)}});
}

// A file that ends too early is damage, not a failure of the disk.
absl::Status read_exactly(File& file, std::span<std::byte> into, std::uint64_t offset) {
  const absl::Status read = read_all_at(file, into, offset);
  return absl::IsOutOfRange(read) ? damaged_file(file, "the file ends too early", offset) : read;
}

absl::Status check_header(const File& file, const FileHeader& header, const SnapshotExpected& expected) {
  if (header.store_id != expected.store_id) return damaged_file(file, "belongs to another store", 0);
  if (header.number != expected.number) {
    return damaged_file(file, fmt::format("holds snapshot {}, expected {}", header.number, expected.number), 0);
  }
  if (expected.cut && header.cut != *expected.cut) {
    return damaged_file(file, fmt::format("is of revision {}, expected {}", header.cut, *expected.cut), 0);
  }
  return absl::OkStatus();
}

absl::Status check_footer(const File& file, const SnapshotInfo& info, const SnapshotExpected& expected,
                          std::uint64_t size) {
  const std::uint64_t offset = size - kFooterBytes;
  if (info.footer.file_bytes != size) {
    return damaged_file(file, fmt::format("footer says {} bytes, the file has {}", info.footer.file_bytes, size),
                        offset);
  }
  if (info.footer.cut != info.header.cut) return damaged_file(file, "footer is of another revision", offset);
  if (expected.digest && info.footer.digest != *expected.digest) {
    return damaged_file(file, "digest is not the one expected", offset);
  }
  return absl::OkStatus();
}

// Both ends; the header's bytes are wanted for the digest of the chain.
absl::StatusOr<SnapshotInfo> read_ends(File& file, const SnapshotExpected& expected, FileHeaderBytes& header_bytes) {
  const absl::StatusOr<std::uint64_t> size = file.size();
  if (!size.ok()) return unreadable(size.status(), file.path());
  if (*size < kFileHeaderBytes + kFooterBytes) return damaged_file(file, "the file is cut short", *size);
  if (expected.file_bytes && *size != *expected.file_bytes) {
    return damaged_file(file, fmt::format("the file has {} bytes, expected {}", *size, *expected.file_bytes),
                        std::min(*size, *expected.file_bytes));
  }

  SnapshotInfo info;
  std::string_view why;
  if (absl::Status read = read_exactly(file, header_bytes, 0); !read.ok()) return read;
  if (const std::uint32_t version = other_version(header_bytes); version != 0) {
    return other_format(file.path(), version, kVersion);
  }
  if (!decode(header_bytes, info.header, why)) return damaged_file(file, why, 0);
  if (absl::Status right = check_header(file, info.header, expected); !right.ok()) return right;

  FooterBytes footer_bytes;
  const std::uint64_t footer_offset = *size - kFooterBytes;
  if (absl::Status read = read_exactly(file, footer_bytes, footer_offset); !read.ok()) return read;
  if (!decode(footer_bytes, seed_of(header_bytes), info.footer, why)) return damaged_file(file, why, footer_offset);
  if (absl::Status right = check_footer(file, info, expected, *size); !right.ok()) return right;
  return info;
}

}  // namespace

absl::StatusOr<SnapshotInfo> read_snapshot_info(File& file, const SnapshotExpected& expected) {
  FileHeaderBytes header_bytes;
  return read_ends(file, expected, header_bytes);
}

absl::StatusOr<SnapshotFile> SnapshotFile::open(FileSystem& fs, const std::string& path,
                                                const SnapshotExpected& expected) {
  absl::StatusOr<std::unique_ptr<File>> file = fs.open(path, FileSystem::Open::kRead);
  if (!file.ok()) return unreadable(file.status(), path);
  FileHeaderBytes header_bytes;
  const absl::StatusOr<SnapshotInfo> info = read_ends(**file, expected, header_bytes);
  if (!info.ok()) return info.status();
  SnapshotFile snapshot(std::move(*file), *info, seed_of(header_bytes));
  if (absl::Status chain = snapshot.read_chain(header_bytes); !chain.ok()) return chain;
  return snapshot;
}

// From header to header up to the footer. A length that is wrong leads outside of the file or to something that is no
// header; one that is wrong and yet leads on is caught by the digest at the end.
absl::Status SnapshotFile::read_chain(const FileHeaderBytes& header) {
  DigestStream digest;
  digest.update(header);
  const std::uint64_t end = info_.footer.file_bytes - kFooterBytes;
  std::uint64_t offset = kFileHeaderBytes;
  while (offset < end) {
    if (end - offset < kBlockHeaderBytes) return damaged("a block header does not fit", offset);
    BlockHeaderBytes bytes;
    if (absl::Status read = read_exactly(*file_, bytes, offset); !read.ok()) return read;
    SnapshotBlock block{offset, {}};
    std::string_view why;
    if (!decode(bytes, block.header, why)) return damaged(why, offset);
    if (block.header.index != blocks_.size()) return damaged("block out of order", offset);
    if (block.header.stored_bytes > end - offset - kBlockHeaderBytes) return damaged("block too long", offset);
    digest.update(bytes);
    offset += kBlockHeaderBytes + block.header.stored_bytes;
    blocks_.push_back(block);
  }
  if (blocks_.size() != info_.footer.blocks) return damaged("number of blocks", end);
  if (digest.value() != info_.footer.digest) return damaged("digest of the block headers", end);
  return absl::OkStatus();
}

absl::StatusOr<Bytes> SnapshotFile::read_block(const SnapshotBlock& block, std::vector<std::byte>& buffer) const {
  const std::size_t bytes = kBlockHeaderBytes + block.header.stored_bytes;
  if (buffer.size() < bytes) buffer.resize(bytes);
  const std::span<std::byte> whole = std::span(buffer).first(bytes);
  if (absl::Status read = read_exactly(*file_, whole, block.offset); !read.ok()) return read;
  BlockHeaderBytes header;
  std::copy_n(whole.begin(), header.size(), header.begin());
  const Bytes payload = Bytes(whole).subspan(kBlockHeaderBytes);
  if (checksum64(payload, payload_seed(header, seed_, block.offset)) != checksum_of(header)) {
    return damaged("block checksum", block.offset);
  }
  return payload;
}

absl::Status SnapshotFile::damaged(std::string_view what, std::uint64_t offset) const {
  return damaged_file(*file_, what, offset);
}

}  // namespace kv
