// copy_tail() of log_replay.h.
//
// Hard part: only bytes that were surely synced may stay where they are. That is everything up to the end of the last
// record at or below the watermark, and not a byte more: a header-only batch behind it, or the start block of a
// successor, may be in the page cache alone. And where the log ends is more than its last record: a jump of revisions
// that no record follows yet is part of it, since a snapshot may have its cut there. So the copy begins where its first
// record's segment does, not at the watermark, which may be lower; and with no record it still says where the log ends.
#include <algorithm>
#include <memory>
#include <vector>

#include "persistence/log_reader.h"
#include "persistence/log_replay.h"
#include "persistence/segment_writer.h"

namespace kv {
namespace {

constexpr std::size_t kTailBatchBytes = 1 << 20;
constexpr std::uint64_t kNoCapacity = std::uint64_t{1} << 62;

// Collects records into batches of the new segment.
class TailWriter {
 public:
  TailWriter(SegmentWriter& segment, Revision watermark) : segment_(segment), watermark_(watermark) {
    batch_.resize(kBatchHeaderBytes);
  }

  absl::Status add(const LogRecord& record, Bytes encoded) {
    if (batch_.size() + encoded.size() > kTailBatchBytes) {
      if (absl::Status flushed = flush(); !flushed.ok()) return flushed;
    }
    if (header_.record_count++ == 0) header_.first_revision = record.revision;
    header_.clock_ms = record.clock;
    last_ = record.revision;
    batch_.insert(batch_.end(), encoded.begin(), encoded.end());
    return absl::OkStatus();
  }
  absl::Status flush() {
    if (header_.record_count == 0) return absl::OkStatus();
    header_.payload_bytes = static_cast<std::uint32_t>(batch_.size() - kBatchHeaderBytes);
    header_.durable_watermark = watermark_;
    segment_.seal(batch_, header_);
    absl::Status written = segment_.write(batch_, last_);
    batch_.resize(kBatchHeaderBytes);
    header_ = {};
    return written;
  }

 private:
  SegmentWriter& segment_;
  const Revision watermark_;
  std::vector<std::byte> batch_;
  BatchHeader header_;
  Revision last_ = 0;
};

class TailCopy {
 public:
  TailCopy(FileSystem& fs, const std::string& directory, const StoreId& store_id, const LogReplay& replay)
      : fs_(fs), directory_(directory), store_id_(store_id), replay_(replay) {}

  // Index of the segment with the last record at or below the watermark; segments.size() when no record is.
  std::size_t cut_index() const {
    const auto& segments = replay_.segments;
    for (std::size_t i = segments.size(); i-- > 0;) {
      const bool has_records = segments[i].end.last_revision > segments[i].base_revision;
      if (has_records && segments[i].base_revision < replay_.watermark) return i;
    }
    return segments.size();
  }

  absl::StatusOr<SegmentEnd> find_cut(std::size_t index) {
    const Revision last = std::min(replay_.watermark, replay_.segments[index].end.last_revision);
    return read(index, [last](const LogRecord& record, Bytes) {
      return record.revision == last ? SegmentReader::After::kStop : SegmentReader::After::kGoOn;
    });
  }

  // Where the copy begins: the revision before the first record above the watermark; with none, where the log ends.
  // What is before a jump counts as on disk, so there is none between two records that are copied.
  Revision base() const {
    for (const ReplayedSegment& segment : replay_.segments) {
      if (segment.end.last_revision > std::max(segment.base_revision, replay_.watermark)) {
        return std::max(segment.base_revision, replay_.watermark);
      }
    }
    return replay_.last_revision;
  }

  absl::Status copy(std::size_t from, TailWriter& writer) {
    for (std::size_t i = from; i < replay_.segments.size(); ++i) {
      absl::Status added;
      const auto end = read(i, [&](const LogRecord& record, Bytes encoded) {
        if (record.revision > replay_.watermark) added = writer.add(record, encoded);
        return added.ok() ? SegmentReader::After::kGoOn : SegmentReader::After::kStop;
      });
      if (!end.ok()) return end.status();
      if (!added.ok()) return added;
    }
    return writer.flush();
  }

 private:
  // What replay_log() found good must still be so.
  absl::StatusOr<SegmentEnd> read(std::size_t index, const SegmentReader::Visitor& visit) {
    const SegmentEnd& known = replay_.segments[index].end;
    auto reader = SegmentReader::open(fs_, directory_, store_id_, known.number);
    if (!reader.ok()) return reader.status();
    if (!(*reader)->started()) return log_corruption((*reader)->path(), kIdentityBytes, "changed while it was read");
    const auto stop = (*reader)->read(known.used, visit);
    if (!stop.ok()) return stop.status();
    if (*stop == SegmentReader::Stop::kBad) {
      return log_corruption((*reader)->path(), (*reader)->end().used, "changed while it was read");
    }
    return (*reader)->end();
  }

  FileSystem& fs_;
  const std::string& directory_;
  const StoreId& store_id_;
  const LogReplay& replay_;
};

}  // namespace

absl::StatusOr<SafeTail> copy_tail(FileSystem& fs, const std::string& directory, const StoreId& store_id,
                                   const LogReplay& replay, std::uint64_t number, UnixMillis now) {
  SafeTail safe;
  if (replay.segments.empty()) return safe;
  if (replay.sealed) {
    safe.cut = replay.segments.back().end;
    return safe;
  }
  TailCopy tail(fs, directory, store_id, replay);
  std::size_t from = tail.cut_index();
  if (from == replay.segments.size()) {
    from = 0;
  } else {
    const auto cut = tail.find_cut(from);
    if (!cut.ok()) return cut.status();
    safe.cut = *cut;
  }
  if (replay.records == 0 || replay.last_revision == safe.cut.last_revision) return safe;

  const SegmentIdentity identity{.store_id = store_id, .number = number, .created_ms = now};
  // Allocated as it grows: it is read once and never appended to.
  auto segment = SegmentWriter::create(fs, directory, identity, kNoCapacity, kSegmentHeaderBytes);
  if (!segment.ok()) return segment.status();
  if (absl::Status started = (*segment)->start(tail.base(), safe.cut, now); !started.ok()) return started;
  TailWriter writer(**segment, replay.watermark);
  if (absl::Status copied = tail.copy(from, writer); !copied.ok()) return copied;
  // Padding behind the last batch belongs to it.
  if (absl::Status sized = (*segment)->file().truncate((*segment)->used()); !sized.ok()) return sized;
  if (absl::Status synced = (*segment)->file().sync(); !synced.ok()) return synced;
  if (absl::Status named = fs.sync_directory(directory); !named.ok()) return named;
  safe.tail = (*segment)->end();
  return safe;
}

}  // namespace kv
