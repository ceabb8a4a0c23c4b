#include "persistence/snapshot_writer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <limits>

#include "persistence/snapshot_entry.h"

namespace kv {

using namespace snapshot_format;

namespace {

// How much of a large entry goes out between two looks at the sync counter.
constexpr std::size_t kPieceBytes = 1 << 20;

}  // namespace

SnapshotWriter::SnapshotWriter(SnapshotSink& sink, std::span<std::byte> buffer, std::uint64_t sync_every_bytes) noexcept
    : sink_(sink), buffer_(buffer), sync_every_bytes_(sync_every_bytes) {
  assert(buffer.size() >= kBufferBytesMin);
}

bool SnapshotWriter::begin(const FileHeader& header) noexcept {
  const FileHeaderBytes encoded = encode(header);
  seed_ = seed_of(encoded);
  totals_.cut = header.cut;
  digest_.update(encoded);
  sink_.progressed({});
  return put(encoded);
}

bool SnapshotWriter::add(const EntryRecord& entry) noexcept {
  constexpr std::size_t kLengthMax = std::numeric_limits<std::uint32_t>::max();
  if (entry.key.size() > kLengthMax || entry.value.size() > kLengthMax) {
    error_number_ = EFBIG;
    return false;
  }
  std::array<std::byte, kEntryHeaderBytes + kExpiryBytes> space;
  const Bytes entry_header = Bytes(space).first(encode_entry_header(entry, space));
  if (!make_room(BlockKind::kEntries, entry.encoded_bytes())) return false;
  count(entry);
  if (entry.encoded_bytes() > buffer_.size() - used_) return add_alone(entry, entry_header);
  append(entry_header);
  append(as_bytes(entry.key));
  append(as_bytes(entry.value));
  ++count_;
  return true;
}

bool SnapshotWriter::add(const RequestIdRecord& record) noexcept {
  if (!make_room(BlockKind::kRequestIds, kRequestIdBytes)) return false;
  encode(record, buffer_.subspan(used_).first<kRequestIdBytes>());
  used_ += kRequestIdBytes;
  ++count_;
  ++totals_.request_ids;
  return true;
}

bool SnapshotWriter::finish() noexcept {
  if (!flush()) return false;
  totals_.digest = digest_.value();
  totals_.file_bytes = offset_ + kFooterBytes;
  if (!put(encode(totals_, seed_))) return false;
  sink_.progressed({offset_, totals_.entries});
  return sink_.sync();
}

// The checksum stands before the payload, so the payload is read twice: it lies still, and is not copied.
bool SnapshotWriter::add_alone(const EntryRecord& entry, Bytes entry_header) noexcept {
  count_ = 1;
  BlockHeaderBytes header = next_header(entry.encoded_bytes());
  Checksum64Stream checksum(payload_seed(header, seed_, offset_));
  checksum.update(entry_header);
  checksum.update(as_bytes(entry.key));
  checksum.update(as_bytes(entry.value));
  set_checksum(header, checksum.value());
  digest_.update(header);
  if (!put(header) || !put(entry_header) || !put(as_bytes(entry.key)) || !put(as_bytes(entry.value))) return false;
  block_is_out();
  return true;
}

// Blocks hold one kind, and are written when the next thing does not fit.
bool SnapshotWriter::make_room(BlockKind kind, std::uint64_t bytes) noexcept {
  if ((kind != kind_ || bytes > buffer_.size() - used_) && !flush()) return false;
  kind_ = kind;
  return true;
}

bool SnapshotWriter::flush() noexcept {
  if (count_ == 0) return true;
  const Bytes payload = Bytes(buffer_).subspan(kBlockHeaderBytes, used_ - kBlockHeaderBytes);
  BlockHeaderBytes header = next_header(payload.size());
  set_checksum(header, checksum64(payload, payload_seed(header, seed_, offset_)));
  digest_.update(header);
  std::copy(header.begin(), header.end(), buffer_.begin());
  if (!put(Bytes(buffer_).first(used_))) return false;
  block_is_out();
  return true;
}

BlockHeaderBytes SnapshotWriter::next_header(std::uint64_t payload_bytes) const noexcept {
  return encode(BlockHeader{.kind = kind_,
                            .codec = Codec::kNone,
                            .stored_bytes = payload_bytes,
                            .raw_bytes = payload_bytes,
                            .count = count_,
                            .index = static_cast<std::uint32_t>(totals_.blocks)});
}

void SnapshotWriter::block_is_out() noexcept {
  ++totals_.blocks;
  used_ = kBlockHeaderBytes;
  count_ = 0;
}

bool SnapshotWriter::put(Bytes data) noexcept {
  while (!data.empty()) {
    const Bytes piece = data.first(std::min(data.size(), kPieceBytes));
    if (!sink_.write(piece)) return false;
    data = data.subspan(piece.size());
    offset_ += piece.size();
    unsynced_ += piece.size();
    if (unsynced_ < sync_every_bytes_) continue;
    if (!sink_.sync_data()) return false;
    unsynced_ = 0;
    sink_.progressed({offset_, totals_.entries});
  }
  return true;
}

void SnapshotWriter::append(Bytes data) noexcept {
  std::copy(data.begin(), data.end(), buffer_.begin() + static_cast<std::ptrdiff_t>(used_));
  used_ += data.size();
}

void SnapshotWriter::count(const EntryRecord& entry) noexcept {
  ++totals_.entries;
  totals_.data_bytes += entry.key.size() + entry.value.size();
  totals_.state_digest += digest_of(fields_of(entry));
}

}  // namespace kv
