#include "persistence/log_replay.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "persistence/log_reader.h"

namespace kv {
namespace {

// One replay_log() call.
class Replayer {
 public:
  Replayer(std::span<const NamedSegment> named, const RecordVisitor& visit) : named_(named), visit_(visit) {}

  absl::Status open(FileSystem& fs, const std::string& directory, const StoreId& store_id);
  absl::StatusOr<LogReplay> run();

 private:
  absl::Status check_chain(std::size_t index) const;
  absl::StatusOr<std::optional<std::uint64_t>> used_of(std::size_t index) const;
  absl::StatusOr<SegmentReader::Stop> read(std::size_t index, std::optional<std::uint64_t> used);
  absl::Status judge_tail(std::size_t index, std::uint64_t offset);

  const std::span<const NamedSegment> named_;
  const RecordVisitor& visit_;
  std::vector<std::unique_ptr<SegmentReader>> readers_;
  LogReplay replay_;
};

absl::Status Replayer::open(FileSystem& fs, const std::string& directory, const StoreId& store_id) {
  for (const NamedSegment& segment : named_) {
    auto reader = SegmentReader::open(fs, directory, store_id, segment.number);
    if (!reader.ok()) return reader.status();
    readers_.push_back(std::move(*reader));
  }
  return absl::OkStatus();
}

absl::StatusOr<LogReplay> Replayer::run() {
  for (std::size_t i = 0; i < named_.size(); ++i) {
    SegmentReader& reader = *readers_[i];
    if (!reader.started()) {
      if (named_[i].used) return log_corruption(reader.path(), kIdentityBytes, "the segment's start block is damaged");
      if (absl::Status torn = judge_tail(i, kIdentityBytes); !torn.ok()) return torn;
      break;
    }
    if (absl::Status chained = check_chain(i); !chained.ok()) return chained;
    const auto used = used_of(i);
    if (!used.ok()) return used.status();
    const auto stop = read(i, *used);
    if (!stop.ok()) return stop.status();
    const SegmentEnd end = reader.end();
    replay_.segments.push_back({.end = end, .base_revision = reader.start_block().base_revision});
    replay_.last_revision = end.last_revision;
    replay_.bytes += end.used;
    replay_.watermark = std::max(replay_.watermark, reader.watermark());
    replay_.clock = std::max(replay_.clock, reader.clock());
    if (*stop == SegmentReader::Stop::kBad) {
      if (named_[i].used) return log_corruption(reader.path(), end.used, "a sealed segment is damaged");
      if (absl::Status torn = judge_tail(i, end.used); !torn.ok()) return torn;
      break;
    }
    replay_.sealed = named_[i].used.has_value();
    // MANIFEST seals what is synced.
    if (replay_.sealed) replay_.watermark = std::max(replay_.watermark, end.last_revision);
  }
  return std::move(replay_);
}

absl::Status Replayer::check_chain(std::size_t index) const {
  const SegmentReader& reader = *readers_[index];
  const StartBlock& start = reader.start_block();
  if (replay_.segments.empty()) return absl::OkStatus();  // What was before it has been trimmed, or never was.
  const SegmentEnd sealed{.number = start.predecessor_number,
                          .used = start.predecessor_used,
                          .last_revision = start.predecessor_last_revision,
                          .digest = start.predecessor_digest};
  if (sealed == replay_.segments.back().end && start.base_revision >= sealed.last_revision) return absl::OkStatus();
  return log_corruption(
      reader.path(), kIdentityBytes,
      fmt::format("the segment does not continue segment {} as that one is now", replay_.segments.back().end.number));
}

// Where MANIFEST or the successor's start block says that the segment ends.
absl::StatusOr<std::optional<std::uint64_t>> Replayer::used_of(std::size_t index) const {
  if (named_[index].used) return named_[index].used;
  if (index + 1 == named_.size() || !readers_[index + 1]->started()) return std::nullopt;
  const SegmentReader& next = *readers_[index + 1];
  if (next.start_block().predecessor_number == named_[index].number) return next.start_block().predecessor_used;
  return log_corruption(next.path(), kIdentityBytes,
                        fmt::format("the segment continues segment {}, not segment {}",
                                    next.start_block().predecessor_number, named_[index].number));
}

absl::StatusOr<SegmentReader::Stop> Replayer::read(std::size_t index, std::optional<std::uint64_t> used) {
  return readers_[index]->read(used, [this](const LogRecord& record, Bytes) {
    ++replay_.records;
    if (visit_) visit_(record);
    return SegmentReader::After::kGoOn;
  });
}

// The log ends at `offset` of this segment. Does anything behind it prove that it once went further, on disk?
absl::Status Replayer::judge_tail(std::size_t index, std::uint64_t offset) {
  replay_.sealed = false;
  replay_.tail_file = readers_[index]->path();
  replay_.tail_offset = offset;
  for (std::size_t i = index; i < readers_.size(); ++i) {
    const std::uint64_t from = i == index ? offset : kIdentityBytes;
    const auto found = readers_[i]->scan(from);
    if (!found.ok()) return found.status();
    if (found->watermark > replay_.last_revision) {
      return log_corruption(
          replay_.tail_file, offset,
          fmt::format("damaged after revision {}: offset {} of {} says that {} was on disk", replay_.last_revision,
                      found->watermark_offset, readers_[i]->path(), found->watermark));
    }
    replay_.discarded_bytes += found->bytes_used - from;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LogReplay> replay_log(FileSystem& fs, const std::string& directory, const StoreId& store_id,
                                     std::span<const NamedSegment> segments, const RecordVisitor& visit) {
  Replayer replayer(segments, visit);
  if (absl::Status opened = replayer.open(fs, directory, store_id); !opened.ok()) return opened;
  return replayer.run();
}

}  // namespace kv
