#include "tools/segment_page.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/bytes.h"

namespace kv::tools {
namespace {

constexpr std::uint64_t kScanBytes = 256 << 10;
constexpr std::size_t kChecksumBytes = 8;

// The last 8 bytes of a block are the checksum of what stands before them.
bool sealed(Bytes block, std::uint64_t seed) noexcept {
  const Bytes body = block.first(block.size() - kChecksumBytes);
  return load<std::uint64_t>(block.data() + body.size()) == checksum64(body, seed);
}

std::optional<StartBlock> decode_start(Bytes block, std::uint64_t seed) noexcept {
  if (!sealed(block, seed + kIdentityBytes)) return std::nullopt;
  const std::byte* const at = block.data();
  return StartBlock{.base_revision = load<std::uint64_t>(at),
                    .predecessor_number = load<std::uint64_t>(at + 8),
                    .predecessor_used = load<std::uint64_t>(at + 16),
                    .predecessor_last_revision = load<std::uint64_t>(at + 24),
                    .predecessor_digest = {load<std::uint64_t>(at + 32), load<std::uint64_t>(at + 40)},
                    .started_ms = static_cast<std::int64_t>(load<std::uint64_t>(at + 48))};
}

// Right magic and checksum, whatever its fields say.
std::optional<BatchFacts> decode_batch(Bytes block, std::uint64_t seed, std::uint64_t offset) noexcept {
  if (block.size() < kBatchHeaderBytes) return std::nullopt;
  block = block.first(kBatchHeaderBytes);
  const std::byte* const at = block.data();
  if (load<std::uint32_t>(at) != kBatchMagic || !sealed(block, seed + offset)) return std::nullopt;
  BatchFacts batch;
  batch.offset = offset;
  batch.header = {.payload_bytes = load<std::uint32_t>(at + 4),
                  .first_revision = load<std::uint64_t>(at + 8),
                  .durable_watermark = load<std::uint64_t>(at + 16),
                  .clock_ms = static_cast<std::int64_t>(load<std::uint64_t>(at + 24)),
                  .record_count = load<std::uint32_t>(at + 32)};
  return batch;
}

bool fields_possible(const BatchHeader& batch, Bytes block) noexcept {
  return all_zero(block.subspan(36, 4)) && batch.payload_bytes <= kBatchPayloadBytesMax &&
         (batch.record_count == 0) == (batch.payload_bytes == 0) &&
         std::uint64_t{batch.record_count} * kRecordHeaderBytes <= batch.payload_bytes;
}

}  // namespace

absl::StatusOr<SegmentHead> read_segment_head(FileView& file) {
  const auto bytes = file.view(0, kSegmentHeaderBytes);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() < kSegmentHeaderBytes) return damage(file.path(), bytes->size(), "the file ends in its header");
  const Bytes identity = bytes->first(kIdentityBytes);
  const std::byte* const at = identity.data();
  if (load<std::uint64_t>(at) != kSegmentMagic) return damage(file.path(), 0, "no log segment begins here (magic)");
  if (!sealed(identity, kIdentitySeed)) return damage(file.path(), 0, "the segment's identity has a wrong checksum");
  SegmentHead head;
  head.version = load<std::uint32_t>(at + 8);
  if (head.version != kLogFormatVersion) {
    return damage(file.path(), 8, fmt::format("log format {} is not known to this tool", head.version));
  }
  if (load<std::uint32_t>(at + 12) != kSegmentHeaderBytes) return damage(file.path(), 12, "wrong header size");
  std::copy_n(at + 16, head.store_id.size(), head.store_id.begin());
  head.number = load<std::uint64_t>(at + 32);
  head.seed = segment_seed(load<std::uint64_t>(at + 40), head.number);
  head.prepared = static_cast<UnixMillis>(load<std::uint64_t>(at + 48));
  const Bytes start = bytes->subspan(kIdentityBytes, kStartBlockBytes);
  head.start = decode_start(start, head.seed);
  head.start_blank = all_zero(start);
  return head;
}

absl::StatusOr<std::optional<BatchFacts>> read_batch_header(FileView& file, std::uint64_t seed, std::uint64_t offset) {
  const auto block = file.view(offset, kBatchHeaderBytes);
  if (!block.ok()) return block.status();
  std::optional<BatchFacts> batch = decode_batch(*block, seed, offset);
  if (batch && !fields_possible(batch->header, *block)) {
    return damage(file.path(), offset, "the batch header is whole, but what it says cannot be");
  }
  return batch;
}

absl::StatusOr<std::optional<BatchFacts>> find_batch(FileView& file, std::uint64_t seed, std::uint64_t from) {
  for (std::uint64_t at = align_batch(from); at < file.size(); at += kBatchAlignment) {
    const auto word = file.view(at, kBatchAlignment);
    if (!word.ok()) return word.status();
    if (word->size() < kBatchAlignment || load<std::uint32_t>(word->data()) != kBatchMagic) continue;
    const auto block = file.view(at, kBatchHeaderBytes);
    if (!block.ok()) return block.status();
    if (const auto batch = decode_batch(*block, seed, at)) return batch;
  }
  return std::optional<BatchFacts>();
}

absl::StatusOr<std::uint64_t> end_of_bytes(FileView& file, std::uint64_t from) {
  std::uint64_t end = from;
  for (std::uint64_t at = from; at < file.size();) {
    const auto bytes = file.view(at, kScanBytes);
    if (!bytes.ok()) return bytes.status();
    const auto last = std::find_if(bytes->rbegin(), bytes->rend(), [](std::byte byte) { return byte != std::byte{0}; });
    if (last != bytes->rend()) end = at + static_cast<std::uint64_t>(bytes->rend() - last);
    at += bytes->size();
  }
  return end;
}

SegmentWalk::SegmentWalk(FileView& file, std::uint64_t seed, std::uint64_t start, std::optional<std::uint64_t> limit,
                         std::optional<Revision> last)
    : file_(file),
      seed_(seed),
      limit_(std::min(limit.value_or(file.size()), file.size())),
      ends_at_limit_(limit.has_value() && *limit <= file.size()),
      position_(start),
      last_(last) {}

SegmentWalk::Step SegmentWalk::bad(std::string_view why) noexcept {
  why_ = why;
  return Step::kBad;
}

void SegmentWalk::accept(Bytes bytes) noexcept {
  digest_.update(bytes);
  position_ += bytes.size();
}

absl::StatusOr<SegmentWalk::Step> SegmentWalk::next() {
  if (in_batch_ && records_left_ == 0) {
    if (position_ != payload_end_) return bad("the batch's records do not fill it");
    if (ends_at_limit_ && position_ == limit_) return Step::kEnd;
    const auto padded = step_padding();
    if (!padded.ok()) return padded.status();
    if (!*padded) return bad("what fills the batch up to a multiple of 8 is not zero, or missing");
    in_batch_ = false;
  }
  if (ends_at_limit_ && position_ == limit_) return Step::kEnd;
  return in_batch_ ? step_record() : step_batch();
}

absl::StatusOr<bool> SegmentWalk::step_padding() {
  const std::uint64_t wanted = align_batch(position_) - position_;
  const auto padding = file_.view(position_, wanted);
  if (!padding.ok()) return padding.status();
  if (padding->size() != wanted || !all_zero(*padding)) return false;
  accept(*padding);
  return true;
}

absl::StatusOr<SegmentWalk::Step> SegmentWalk::step_batch() {
  if (position_ + kBatchHeaderBytes > limit_) return bad("no room for a batch header");
  const auto batch = read_batch_header(file_, seed_, position_);
  if (!batch.ok()) return batch.status();
  if (!*batch) return bad("no batch header");
  batch_ = **batch;
  const BatchHeader& header = batch_.header;
  if (!last_) last_ = header.first_revision - 1;
  if (header.first_revision != *last_ + 1) {
    return damage(file_.path(), position_,
                  fmt::format("the batch begins at revision {}, but the last one before it is {}",
                              header.first_revision, *last_));
  }
  if (header.durable_watermark > *last_) {
    return damage(file_.path(), position_,
                  fmt::format("the batch says that revision {} was on disk, but the log before "
                              "it ends at {}",
                              header.durable_watermark, *last_));
  }
  watermark_ = std::max(watermark_, header.durable_watermark);
  clock_ = std::max(clock_, header.clock_ms);
  const auto bytes = file_.view(position_, kBatchHeaderBytes);
  if (!bytes.ok()) return bytes.status();
  accept(*bytes);
  records_left_ = header.record_count;
  payload_end_ = position_ + header.payload_bytes;
  in_batch_ = true;
  return Step::kBatch;
}

absl::StatusOr<SegmentWalk::Step> SegmentWalk::step_record() {
  const std::uint64_t room = std::min(payload_end_, limit_) - std::min(position_, limit_);
  const auto header = file_.view(position_, kRecordHeaderBytes);
  if (!header.ok()) return header.status();
  if (room < kRecordHeaderBytes) return bad("no room for a record header");
  const auto length = record_length(*header);
  if (!length) return bad("the record's length is out of bounds");
  if (*length > room) return bad("the record is longer than its batch, or than what is there");
  const auto bytes = file_.view(position_, *length);
  if (!bytes.ok()) return bytes.status();
  if (load<std::uint64_t>(bytes->data()) != checksum64(bytes->subspan(kChecksumBytes), seed_ + position_)) {
    return bad("the record's checksum is wrong");
  }
  record_.offset = position_;
  record_.clock = batch_.header.clock_ms;
  if (!decode_record(*bytes, record_)) {
    return damage(file_.path(), position_, "the record is whole, but its contents are not known to this tool");
  }
  if (record_.revision != *last_ + 1) {
    return damage(file_.path(), position_, fmt::format("revision {} follows {}", record_.revision, *last_));
  }
  accept(*bytes);
  last_ = record_.revision;
  --records_left_;
  return Step::kRecord;
}

}  // namespace kv::tools
