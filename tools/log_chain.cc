#include "tools/log_chain.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include <fmt/format.h>

namespace kv::tools {
namespace {

struct OpenSegment {
  std::unique_ptr<FileView> file;
  SegmentHead head;
};

// What a segment's end must be for its successor to seal it.
struct Seal {
  std::uint64_t number = 0;
  std::uint64_t used = 0;
  Revision last = 0;
  Digest128 digest;
};

constexpr std::uint64_t kWindowBytes = 256 << 10;

absl::StatusOr<OpenSegment> open_segment(FileSystem& fs, const LogPlace& place, std::uint64_t number,
                                         std::uint64_t window_bytes) {
  const std::string path = fmt::format("{}/{}", place.folder, segment_name(number));
  auto file = FileView::open(fs, path, window_bytes);
  if (errno_of(file.status()) == ENOENT) return damage(path, 0, "named in MANIFEST, but missing");
  if (!file.ok()) return file.status();
  auto head = read_segment_head(**file);
  if (!head.ok()) return head.status();
  if (head->store_id != place.store_id) return damage(path, 16, "the segment belongs to another store");
  if (head->number != number)
    return damage(path, 32, fmt::format("this is segment {} under another name", head->number));
  return OpenSegment{*std::move(file), *head};
}

class LogReading {
 public:
  LogReading(FileSystem& fs, const LogPlace& place, const VisitRecord& visit, Progress& progress)
      : fs_(fs), place_(place), visit_(visit), progress_(progress) {}

  absl::Status prove_headers() {
    std::uint64_t total = 0;
    for (const std::uint64_t number : place_.numbers) {
      const auto segment = open_segment(fs_, place_, number, kSegmentHeaderBytes);
      if (!segment.ok()) return segment.status();
      total += segment->file->size();
      heads_.push_back(segment->head);
      chain_.segments.push_back({.number = number,
                                 .path = segment->file->path(),
                                 .file_bytes = segment->file->size(),
                                 .started = segment->head.start.has_value()});
    }
    progress_.begin("reading the log", total);
    return absl::OkStatus();
  }

  absl::StatusOr<LogChain> run() {
    for (std::size_t i = 0; i < heads_.size(); ++i) {
      auto segment = open(i);
      if (!segment.ok()) return segment.status();
      const auto more = read(i, *segment);
      if (!more.ok()) return more.status();
      if (!*more) break;
    }
    return std::move(chain_);
  }

 private:
  std::optional<std::uint64_t> named_used(std::size_t i) const {
    const auto found = place_.used.find(place_.numbers[i]);
    return found == place_.used.end() ? std::nullopt : std::optional(found->second);
  }

  absl::StatusOr<OpenSegment> open(std::size_t i) const {
    return open_segment(fs_, place_, place_.numbers[i], kWindowBytes);
  }

  // True when the log goes on behind this segment.
  absl::StatusOr<bool> read(std::size_t i, OpenSegment& segment) {
    SegmentSummary& summary = chain_.segments[i];
    const std::optional<std::uint64_t> strict = named_used(i);
    if (!segment.head.start) {
      const std::string_view why =
          segment.head.start_blank ? "the segment was never started" : "the start block is damaged";
      if (strict) return damage(summary.path, kIdentityBytes, "the start block of a sealed segment is damaged");
      summary.used = kIdentityBytes;
      return ends_here(i, kIdentityBytes, why);
    }
    if (absl::Status fits = check_seal(segment); !fits.ok()) return fits;
    const auto used = used_size(i);
    if (!used.ok()) return used.status();
    SegmentWalk walk(*segment.file, segment.head.seed, kSegmentHeaderBytes, *used, segment.head.start->base_revision);
    const auto header = segment.file->view(0, kSegmentHeaderBytes);
    if (!header.ok()) return header.status();
    walk.digest_header(*header);
    const auto end = walk_through(walk, summary);
    if (!end.ok()) return end.status();
    count(i, walk);
    if (*end == SegmentWalk::Step::kBad) {
      if (strict)
        return damage(summary.path, walk.position(), fmt::format("a sealed segment is damaged: {}", walk.why()));
      return ends_here(i, walk.position(), walk.why());
    }
    chain_.sealed = strict.has_value();
    if (chain_.sealed) chain_.watermark = std::max(chain_.watermark, chain_.last_revision);
    progress_.advance(segment.file->size());
    return true;
  }

  absl::StatusOr<SegmentWalk::Step> walk_through(SegmentWalk& walk, SegmentSummary& summary) {
    while (true) {
      const auto step = walk.next();
      if (!step.ok()) return step.status();
      if (*step == SegmentWalk::Step::kRecord) {
        ++summary.records;
        if (visit_) visit_(walk.record());
      } else if (*step != SegmentWalk::Step::kBatch) {
        return *step;
      }
    }
  }

  void count(std::size_t i, const SegmentWalk& walk) {
    const StartBlock& start = *heads_[i].start;
    SegmentSummary& summary = chain_.segments[i];
    summary.base = start.base_revision;
    summary.predecessor_last = start.predecessor_last_revision;
    summary.last = *walk.last_revision();
    summary.used = walk.position();
    before_ = Seal{summary.number, summary.used, summary.last, walk.digest()};
    chain_.counted = i + 1;
    chain_.records += summary.records;
    chain_.last_revision = summary.last;
    chain_.watermark = std::max(chain_.watermark, walk.watermark());
    chain_.clock = std::max({chain_.clock, walk.clock(), start.started_ms});
  }

  // The first segment named has nothing before it that could be compared.
  absl::Status check_seal(const OpenSegment& segment) const {
    if (!before_) return absl::OkStatus();
    const StartBlock& start = *segment.head.start;
    std::string wrong;
    if (start.predecessor_number != before_->number) {
      wrong = fmt::format("it continues segment {}, not segment {}", start.predecessor_number, before_->number);
    } else if (start.predecessor_used != before_->used) {
      wrong = fmt::format("it says that segment {} ends at {}, not at {}", before_->number, start.predecessor_used,
                          before_->used);
    } else if (start.predecessor_last_revision != before_->last) {
      wrong = fmt::format("it says that segment {} ends with revision {}, not with {}", before_->number,
                          start.predecessor_last_revision, before_->last);
    } else if (start.predecessor_digest != before_->digest) {
      wrong = fmt::format("segment {} has another digest than it says", before_->number);
    } else if (start.base_revision < before_->last) {
      wrong = fmt::format("it begins at revision {}, below {}", start.base_revision, before_->last);
    }
    return wrong.empty() ? absl::OkStatus() : damage(segment.file->path(), kIdentityBytes, wrong);
  }

  // From MANIFEST, else from the successor, else nowhere.
  absl::StatusOr<std::optional<std::uint64_t>> used_size(std::size_t i) const {
    if (const auto named = named_used(i)) return named;
    if (i + 1 == heads_.size() || !heads_[i + 1].start) return std::optional<std::uint64_t>();
    const StartBlock& next = *heads_[i + 1].start;
    if (next.predecessor_number != place_.numbers[i]) {
      return damage(chain_.segments[i + 1].path, kIdentityBytes,
                    fmt::format("it continues segment {}, not segment {}", next.predecessor_number, place_.numbers[i]));
    }
    return std::optional(next.predecessor_used);
  }

  // Always false: nothing behind it counts. Damage when something behind it proves that the log went further.
  absl::StatusOr<bool> ends_here(std::size_t i, std::uint64_t offset, std::string_view why) {
    chain_.sealed = false;
    TornTail tail;
    tail.file = chain_.segments[i].path;
    tail.offset = offset;
    tail.last_revision = chain_.last_revision;
    tail.why = why;
    name_bad_place(tail, i, offset);
    bool next_lost = heads_[i].start && i + 1 < heads_.size() && !heads_[i + 1].start;
    for (std::size_t later = i; later < heads_.size(); ++later) {
      auto segment = open(later);
      if (!segment.ok()) return segment.status();
      const std::uint64_t from = later == i ? offset : kIdentityBytes;
      const auto end = end_of_bytes(*segment->file, from);
      if (!end.ok()) return end.status();
      const auto proof = find_proof(*segment, from, tail.last_revision);
      if (!proof.ok()) return proof.status();
      if (later == i) next_lost = next_lost && *end == from;
      // What follows is not nothing, so the next segment was started.
      const bool follows = *proof || (later == i + 1 && *end > from);
      if (later > i && next_lost && follows) name_bad_place(tail, i + 1, kIdentityBytes);
      if (*proof) return not_torn(tail, *segment, **proof);
      tail.bytes += *end - from;
      progress_.advance(segment->file->size());
    }
    chain_.end = std::move(tail);
    return false;
  }

  void name_bad_place(TornTail& tail, std::size_t i, std::uint64_t offset) const {
    tail.bad_file = chain_.segments[i].path;
    tail.bad_offset = offset;
  }

  absl::Status not_torn(const TornTail& tail, const OpenSegment& segment, const BatchFacts& proof) const {
    const bool start = tail.bad_file != tail.file;
    return damage(tail.bad_file, tail.bad_offset,
                  fmt::format("damaged behind revision {} ({}): offset {} of {} says that revision {} was on disk",
                              tail.last_revision, start ? "the start block" : tail.why, proof.offset,
                              segment.file->path(), proof.header.durable_watermark));
  }

  // A batch that was written when more was on disk than revision `last`.
  absl::StatusOr<std::optional<BatchFacts>> find_proof(OpenSegment& segment, std::uint64_t from, Revision last) const {
    while (true) {
      auto found = find_batch(*segment.file, segment.head.seed, from);
      if (!found.ok() || !*found || (*found)->header.durable_watermark > last) return found;
      from = (*found)->offset + kBatchAlignment;
    }
  }

  FileSystem& fs_;
  const LogPlace& place_;
  const VisitRecord& visit_;
  Progress& progress_;
  std::vector<SegmentHead> heads_;
  std::optional<Seal> before_;
  LogChain chain_;
};

}  // namespace

absl::StatusOr<LogChain> read_log(FileSystem& fs, const LogPlace& place, const VisitRecord& visit, Progress& progress) {
  LogReading reading(fs, place, visit, progress);
  if (absl::Status proved = reading.prove_headers(); !proved.ok()) return proved;
  return reading.run();
}

}  // namespace kv::tools
