#include "persistence/log_replay.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "persistence/damage.h"
#include "persistence/log_reader.h"

namespace kv {
namespace {

// One replay_log() call.
class Replayer {
 public:
  Replayer(FileSystem& fs, const std::string& directory, const StoreId& store_id, std::span<const NamedSegment> named,
           const RecordVisitor& visit)
      : fs_(fs), directory_(directory), store_id_(store_id), named_(named), visit_(visit) {}

  // Of each segment, up to the first that has none that is right.
  absl::Status prove_headers();
  // Both read the segments whose headers were proved.
  absl::StatusOr<LogReplay> run();
  absl::StatusOr<LogPrefix> run_to_damage(absl::Status damage);

 private:
  // What is known of a segment while its file is closed.
  struct Head {
    std::string path;
    std::optional<StartBlock> start;
    bool started() const noexcept { return start.has_value(); }
  };

  absl::StatusOr<std::unique_ptr<SegmentReader>> open(std::size_t index) const {
    return SegmentReader::open(fs_, directory_, store_id_, named_[index].number);
  }
  // False when the log ends here.
  absl::StatusOr<bool> step(std::size_t index);
  void count(const SegmentReader& reader);
  absl::Status check_chain(const SegmentReader& reader) const;
  absl::StatusOr<std::optional<std::uint64_t>> used_of(std::size_t index) const;
  absl::StatusOr<SegmentReader::Stop> read(SegmentReader& reader, std::optional<std::uint64_t> used);
  absl::Status judge_tail(std::size_t index, std::uint64_t offset);
  void name_end(std::size_t index, std::uint64_t offset);

  FileSystem& fs_;
  const std::string& directory_;
  const StoreId& store_id_;
  const std::span<const NamedSegment> named_;
  const RecordVisitor& visit_;
  std::vector<Head> heads_;
  LogReplay replay_;
  std::size_t damaged_ = 0;  // where step() failed
};

absl::Status Replayer::prove_headers() {
  for (std::size_t i = 0; i < named_.size(); ++i) {
    const auto reader = open(i);
    if (!reader.ok()) return reader.status();
    heads_.push_back({.path = (*reader)->path(), .start = std::nullopt});
    if ((*reader)->started()) heads_.back().start = (*reader)->start_block();
  }
  return absl::OkStatus();
}

absl::StatusOr<LogReplay> Replayer::run() {
  for (std::size_t i = 0; i < heads_.size(); ++i) {
    const auto more = step(i);
    if (!more.ok()) return more.status();
    if (!*more) break;
  }
  return std::move(replay_);
}

absl::StatusOr<bool> Replayer::step(std::size_t i) {
  damaged_ = i;
  const auto opened = open(i);
  if (!opened.ok()) return opened.status();
  SegmentReader& reader = **opened;
  if (!reader.started()) {
    if (named_[i].used) return log_corruption(reader.path(), kIdentityBytes, "the segment's start block is damaged");
    if (absl::Status torn = judge_tail(i, kIdentityBytes); !torn.ok()) return torn;
    return false;
  }
  if (absl::Status chained = check_chain(reader); !chained.ok()) return chained;
  const auto used = used_of(i);
  const auto stop = read(reader, used.ok() ? *used : std::nullopt);
  count(reader);
  if (!stop.ok()) return stop.status();
  if (!used.ok()) {
    damaged_ = i + 1;
    return used.status();
  }
  const SegmentEnd& end = replay_.segments.back().end;
  if (*stop == SegmentReader::Stop::kBad) {
    if (named_[i].used) return log_corruption(reader.path(), end.used, "a sealed segment is damaged");
    if (absl::Status torn = judge_tail(i, end.used); !torn.ok()) return torn;
    return false;
  }
  replay_.sealed = named_[i].used.has_value();
  // MANIFEST seals what is synced.
  if (replay_.sealed) replay_.watermark = std::max(replay_.watermark, end.last_revision);
  return true;
}

// What was good of the segment, after an error too.
void Replayer::count(const SegmentReader& reader) {
  const SegmentEnd end = reader.end();
  const Revision base = reader.start_block().base_revision;
  // A run of the server begins with a jump only when everything before it is on disk.
  if (!replay_.segments.empty() && base > replay_.last_revision) {
    replay_.watermark = std::max(replay_.watermark, replay_.last_revision);
  }
  replay_.segments.push_back({.end = end, .base_revision = base});
  replay_.last_revision = end.last_revision;
  replay_.bytes += end.used;
  replay_.watermark = std::max(replay_.watermark, reader.watermark());
  replay_.clock = std::max(replay_.clock, reader.clock());
}

absl::StatusOr<LogPrefix> Replayer::run_to_damage(absl::Status damage) {
  LogPrefix prefix;
  prefix.damage = std::move(damage);
  prefix.damaged_index = heads_.size();
  for (std::size_t i = 0; i < heads_.size(); ++i) {
    const auto more = step(i);
    if (more.ok() && *more) continue;
    if (more.ok()) break;
    if (!is_damage(more.status())) return more.status();
    prefix.damage = more.status();
    prefix.damaged_index = damaged_;
    break;
  }
  prefix.replay = std::move(replay_);
  if (prefix.damage.ok()) return prefix;
  // The damaged segment is to be copied as far as it is good: none of it may count as synced in its place.
  LogReplay& replay = prefix.replay;
  replay.sealed = false;
  replay.discarded_bytes = 0;
  const bool holds_it = prefix.damaged_index < heads_.size() && !replay.segments.empty() &&
                        replay.segments.back().end.number == named_[prefix.damaged_index].number;
  replay.watermark = std::min(replay.watermark, holds_it ? replay.segments.back().base_revision : replay.last_revision);
  return prefix;
}

absl::Status Replayer::check_chain(const SegmentReader& reader) const {
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
  if (index + 1 == heads_.size() || !heads_[index + 1].started()) return std::nullopt;
  const Head& next = heads_[index + 1];
  if (next.start->predecessor_number == named_[index].number) return next.start->predecessor_used;
  return log_corruption(next.path, kIdentityBytes,
                        fmt::format("the segment continues segment {}, not segment {}", next.start->predecessor_number,
                                    named_[index].number));
}

absl::StatusOr<SegmentReader::Stop> Replayer::read(SegmentReader& reader, std::optional<std::uint64_t> used) {
  return reader.read(used, [this](const LogRecord& record, Bytes) {
    ++replay_.records;
    if (visit_) visit_(record);
    return SegmentReader::After::kGoOn;
  });
}

void Replayer::name_end(std::size_t index, std::uint64_t offset) {
  damaged_ = index;
  replay_.end_file = heads_[index].path;
  replay_.end_offset = offset;
}

// The log ends at `offset` of this segment. Does anything behind it prove that it once went further, on disk?
absl::Status Replayer::judge_tail(std::size_t index, std::uint64_t offset) {
  replay_.sealed = false;
  replay_.tail_file = heads_[index].path;
  replay_.tail_offset = offset;
  name_end(index, offset);
  bool may_be_next = heads_[index].started() && index + 1 < heads_.size() && !heads_[index + 1].started();
  for (std::size_t i = index; i < heads_.size(); ++i) {
    const std::uint64_t from = i == index ? offset : kIdentityBytes;
    const auto reader = open(i);
    if (!reader.ok()) return reader.status();
    const auto found = (*reader)->scan(from);
    if (!found.ok()) return found.status();
    const bool more = found->bytes_used > from;
    const bool proof = found->watermark > replay_.last_revision;
    if (i == index) {
      may_be_next = may_be_next && !more;
    } else if (may_be_next && (proof || (more && i == index + 1))) {
      name_end(index + 1, kIdentityBytes);  // It was started, then.
    }
    if (proof) {
      const std::string_view what = damaged_ == index ? "damaged" : "the segment's start block is damaged";
      return log_corruption(
          replay_.end_file, replay_.end_offset,
          fmt::format("{} after revision {}: offset {} of {} says that {} was on disk", what, replay_.last_revision,
                      found->watermark_offset, heads_[i].path, found->watermark));
    }
    replay_.discarded_bytes += found->bytes_used - from;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LogReplay> replay_log(FileSystem& fs, const std::string& directory, const StoreId& store_id,
                                     std::span<const NamedSegment> segments, const RecordVisitor& visit) {
  Replayer replayer(fs, directory, store_id, segments, visit);
  if (absl::Status proved = replayer.prove_headers(); !proved.ok()) return proved;
  return replayer.run();
}

absl::StatusOr<LogPrefix> replay_log_to_damage(FileSystem& fs, const std::string& directory, const StoreId& store_id,
                                               std::span<const NamedSegment> segments, const RecordVisitor& visit) {
  Replayer replayer(fs, directory, store_id, segments, visit);
  absl::Status proved = replayer.prove_headers();
  if (!proved.ok() && !is_damage(proved)) return proved;
  return replayer.run_to_damage(std::move(proved));
}

}  // namespace kv
