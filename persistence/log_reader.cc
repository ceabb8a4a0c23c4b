#include "persistence/log_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "core/bytes.h"
#include "core/error.h"
#include "persistence/damage.h"

namespace kv {
namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kWindowBytes = 1 << 20;

bool all_zero(Bytes bytes) noexcept {
  // Each byte is the one before it, and the first is 0.
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

absl::Status log_corruption(const std::string& file, std::uint64_t offset, std::string_view what) {
  return error(Reason::kChecksum, fmt::format("{} at offset {}: {}", file, offset, what),
               {{"file", file}, {"offset", std::to_string(offset)}});
}

absl::StatusOr<std::unique_ptr<SegmentReader>> SegmentReader::open(FileSystem& fs, const std::string& directory,
                                                                   const StoreId& store_id, std::uint64_t number) {
  const std::string path = fmt::format("{}/{}", directory, segment_name(number));
  auto file = fs.open(path, FileSystem::Open::kRead);
  if (!file.ok()) {
    if (errno_of(file.status()) != ENOENT) return unreadable(file.status(), path);
    return log_corruption(path, 0, "the file is named in MANIFEST and missing");
  }
  std::unique_ptr<SegmentReader> reader(new SegmentReader(std::move(*file)));
  if (absl::Status loaded = reader->load_header(store_id, number); !loaded.ok()) return loaded;
  return reader;
}

absl::Status SegmentReader::load_header(const StoreId& store_id, std::uint64_t number) {
  const auto size = file_->size();
  if (!size.ok()) return unreadable(size.status(), path());
  file_bytes_ = *size;
  const auto header = view(0, kSegmentHeaderBytes);
  if (!header.ok()) return header.status();
  if (header->size() < kSegmentHeaderBytes) return log_corruption(path(), file_bytes_, "the file ends in its header");
  if (!decode(header->first<kIdentityBytes>(), identity_)) return log_corruption(path(), 0, "no segment header");
  if (identity_.version != kLogFormatVersion) {
    return other_format(path(), identity_.version, kLogFormatVersion);
  }
  if (identity_.store_id != store_id) return log_corruption(path(), 0, "the segment belongs to another store");
  if (identity_.number != number) {
    return log_corruption(path(), 0, fmt::format("this is segment {} under another name", identity_.number));
  }
  window_bytes_max_ = kWindowBytes;
  seed_ = segment_seed(identity_.salt, identity_.number);
  started_ = decode(header->subspan(kIdentityBytes).first<kStartBlockBytes>(), seed_, start_);
  if (!started_) return absl::OkStatus();
  last_revision_ = start_.base_revision;
  clock_ = start_.started_ms;
  digest_.update(*header);
  return absl::OkStatus();
}

// Up to `bytes` bytes from `offset`; fewer where the file ends.
absl::StatusOr<Bytes> SegmentReader::view(std::uint64_t offset, std::uint64_t bytes) {
  if (offset >= file_bytes_) return Bytes();
  bytes = std::min(bytes, file_bytes_ - offset);
  if (offset < window_offset_ || offset + bytes > window_offset_ + window_bytes_) {
    // Up to a multiple of the window's size: a page that cannot be read then spoils no record of the page before it.
    const auto wanted = [&] { return std::max(bytes, window_bytes_max_ - offset % window_bytes_max_); };
    absl::Status read = fill_window(offset, wanted());
    if (is_unreadable(read) && window_bytes_max_ > kPageBytes) {
      window_bytes_max_ = kPageBytes;  // What lies before the bad page can be read, in small pieces.
      read = fill_window(offset, wanted());
    }
    if (!read.ok()) return read;
  }
  return Bytes(window_).subspan(offset - window_offset_, bytes);
}

absl::Status SegmentReader::fill_window(std::uint64_t offset, std::uint64_t bytes) {
  window_offset_ = offset;
  window_bytes_ = std::min(bytes, file_bytes_ - offset);
  if (window_.size() < window_bytes_) window_.resize(window_bytes_);
  absl::Status read = read_all_at(*file_, std::span(window_).first(window_bytes_), offset);
  if (!read.ok()) window_bytes_ = 0;
  return read;
}

void SegmentReader::accept(Bytes bytes) noexcept {
  digest_.update(bytes);
  position_ += bytes.size();
}

SegmentEnd SegmentReader::end() const noexcept {
  return {.number = identity_.number, .used = position_, .last_revision = last_revision_, .digest = digest_.value()};
}

absl::StatusOr<SegmentReader::Stop> SegmentReader::read(std::optional<std::uint64_t> used, const Visitor& visit) {
  limit_is_used_ = used.has_value();
  limit_ = std::min(used.value_or(file_bytes_), file_bytes_);
  if (used && *used > file_bytes_) limit_is_used_ = false;  // Ends early: bad wherever that is.
  while (true) {
    if (limit_is_used_ && position_ == limit_) return Stop::kUsed;
    const auto stop = read_batch(visit);
    if (!stop.ok()) return stop.status();
    if (*stop) return **stop;
  }
}

// Nothing when the batch is good to its end and there may be another.
absl::StatusOr<std::optional<SegmentReader::Stop>> SegmentReader::read_batch(const Visitor& visit) {
  const auto bytes = view(position_, kBatchHeaderBytes);
  if (!bytes.ok()) return bytes.status();
  if (position_ + kBatchHeaderBytes > limit_) return Stop::kBad;
  BatchHeader batch;
  if (!decode(bytes->first<kBatchHeaderBytes>(), seed_, position_, batch)) {
    if (!batch_intact(bytes->first<kBatchHeaderBytes>(), seed_, position_)) return Stop::kBad;
    return log_corruption(path(), position_,
                          "the batch header is whole, but what it says is not known to this version");
  }
  if (batch.durable_watermark > last_revision_ || batch.first_revision != last_revision_ + 1) {
    return log_corruption(
        path(), position_,
        fmt::format("the batch begins at revision {} with {} on disk, but the log before it ends at {}",
                    batch.first_revision, batch.durable_watermark, last_revision_));
  }
  watermark_ = std::max(watermark_, batch.durable_watermark);
  clock_ = std::max(clock_, batch.clock_ms);
  accept(*bytes);
  const std::uint64_t batch_end = position_ + batch.payload_bytes;
  for (std::uint32_t i = 0; i < batch.record_count; ++i) {
    const auto stop = read_record(batch_end, batch, visit);
    if (!stop.ok() || *stop) return stop;
  }
  if (position_ != batch_end) return Stop::kBad;
  if (limit_is_used_ && position_ == limit_) return Stop::kUsed;
  const auto padding = view(position_, align_batch(position_) - position_);
  if (!padding.ok()) return padding.status();
  if (position_ + padding->size() != align_batch(position_) || !all_zero(*padding)) return Stop::kBad;
  accept(*padding);
  return std::nullopt;
}

absl::StatusOr<std::optional<SegmentReader::Stop>> SegmentReader::read_record(std::uint64_t batch_end,
                                                                              const BatchHeader& batch,
                                                                              const Visitor& visit) {
  if (limit_is_used_ && position_ == limit_) return Stop::kUsed;
  const std::uint64_t end_max = std::min(batch_end, limit_);
  if (position_ + kRecordHeaderBytes > end_max) return Stop::kBad;
  const auto head = view(position_, kRecordHeaderBytes);
  if (!head.ok()) return head.status();
  RecordHeader header;
  const bool known = decode(head->first<kRecordHeaderBytes>(), header);
  if (header.record_bytes < kRecordHeaderBytes || header.record_bytes > kRecordBytesMax) return Stop::kBad;
  if (header.record_bytes > end_max - position_) return Stop::kBad;
  const auto bytes = view(position_, header.record_bytes);
  if (!bytes.ok()) return bytes.status();
  if (!record_intact(*bytes, seed_, position_)) return Stop::kBad;
  if (header.revision != last_revision_ + 1) {
    return log_corruption(path(), position_, fmt::format("revision {} follows {}", header.revision, last_revision_));
  }
  LogRecord record;
  record.clock = batch.clock_ms;
  if (!known || !decode_body(header, *bytes, mutations_, record)) {
    return log_corruption(path(), position_, "the record is whole but its contents are not known to this version");
  }
  const After after = visit(record, *bytes);
  accept(*bytes);
  last_revision_ = header.revision;
  if (after == After::kStop) return Stop::kVisitor;
  return std::nullopt;
}

absl::StatusOr<SegmentReader::Scan> SegmentReader::scan(std::uint64_t from) {
  Scan found{.bytes_used = from};
  for (std::uint64_t offset = from & ~std::uint64_t{kBatchAlignment - 1}; offset < file_bytes_;) {
    const std::uint64_t page_end = std::min((offset | (kPageBytes - 1)) + 1, file_bytes_);
    const auto page = view(offset, page_end - offset);
    if (!page.ok()) return page.status();
    // Most of what lies behind the last record was never written.
    if (!all_zero(*page)) {
      if (absl::Status scanned = scan_page(from, offset, page_end, found); !scanned.ok()) return scanned;
    }
    offset = page_end;
  }
  return found;
}

absl::Status SegmentReader::scan_page(std::uint64_t from, std::uint64_t begin, std::uint64_t end, Scan& found) {
  for (std::uint64_t offset = begin; offset < end; offset += kBatchAlignment) {
    const auto word = view(offset, kBatchAlignment);
    if (!word.ok()) return word.status();
    for (std::size_t i = 0; i < word->size(); ++i) {
      if ((*word)[i] != std::byte{0} && offset + i >= from) found.bytes_used = offset + i + 1;
    }
    if (offset < from || word->size() < kBatchAlignment || load<std::uint32_t>(word->data()) != kBatchMagic) continue;
    const auto bytes = view(offset, kBatchHeaderBytes);
    if (!bytes.ok()) return bytes.status();
    BatchHeader batch;
    if (bytes->size() < kBatchHeaderBytes || !batch_intact(bytes->first<kBatchHeaderBytes>(), seed_, offset)) continue;
    // Its checksum is right: that it was on disk is true, whether or not this version knows the rest.
    static_cast<void>(decode(bytes->first<kBatchHeaderBytes>(), seed_, offset, batch));
    if (batch.durable_watermark <= found.watermark) continue;
    found.watermark = batch.durable_watermark;
    found.watermark_offset = offset;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> SegmentReader::unused() {
  if (started_) return false;
  const auto found = scan(kIdentityBytes);
  if (!found.ok()) return found.status();
  return found->bytes_used == kIdentityBytes;
}

}  // namespace kv
