#include "tools/salvage_log.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "core/bytes.h"
#include "core/error.h"
#include "tools/segment_page.h"

namespace kv::tools {
namespace {

constexpr std::size_t kSaltAt = 40;
constexpr std::size_t kKeysNamedMax = 1000;  // of one damaged place

}  // namespace

// The seed is what every checksum in the file needs. When the identity is damaged, its salt may still be right: then
// the batches themselves prove it.
absl::StatusOr<std::optional<SegmentHead>> SalvageLog::head_of(FileView& file, std::uint64_t number) const {
  const auto head = read_segment_head(file);
  if (head.ok()) return head->store_id == store_id_ && head->number == number ? std::optional(*head) : std::nullopt;
  if (!is_damage(head.status())) return head.status();
  const auto bytes = file.view(0, kIdentityBytes);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() < kIdentityBytes) return std::optional<SegmentHead>();
  SegmentHead guessed;
  guessed.number = number;
  guessed.seed = segment_seed(load<std::uint64_t>(bytes->data() + kSaltAt), number);
  const auto batch = find_batch(file, guessed.seed, kSegmentHeaderBytes);
  if (!batch.ok()) return batch.status();
  return *batch ? std::optional(guessed) : std::nullopt;
}

absl::Status SalvageLog::read(std::uint64_t number, std::optional<std::uint64_t> used, bool last) {
  const std::string path = directory_.segment(number);
  const auto file = FileView::open(fs_, path);
  if (errno_of(file.status()) == ENOENT) return lost_whole(path, 0, "the segment is missing");
  if (!file.ok()) return file.status();
  const auto head = head_of(**file, number);
  if (!head.ok()) return head.status();
  if (!*head) return lost_whole(path, (*file)->size(), "the segment's identity is damaged, or another's");
  if ((*head)->start) expect(*(*head)->start, path);
  const auto end = end_of_bytes(**file, std::min<std::uint64_t>(kSegmentHeaderBytes, (*file)->size()));
  if (!end.ok()) return end.status();
  header_lost_ = !(*head)->start && !(*head)->start_blank;
  if (header_lost_) {
    losses_.push_back({.file = directory_.below(path),
                       .from = 0,
                       .to = kSegmentHeaderBytes,
                       .what = "the segment's header is damaged; its records are judged one by one",
                       .keys = {},
                       .perhaps = {}});
  }
  const std::uint64_t limit = used ? std::min(*used, (*file)->size()) : align_batch(*end);
  return read_segment(**file, (*head)->seed, limit, last);
}

// Records that the chain knows of and nobody has seen.
void SalvageLog::expect(const StartBlock& start, const std::string& path) {
  if (start.predecessor_last_revision > last_) {
    const bool open_ended = !losses_.empty() && losses_.back().first_revision != 0 && losses_.back().last_revision == 0;
    if (open_ended) {
      losses_.back().last_revision = start.predecessor_last_revision;
    } else {
      losses_.push_back(
          {.file = directory_.below(path),
           .what = fmt::format("the records of segment {} before it are not there", start.predecessor_number),
           .first_revision = last_ + 1,
           .last_revision = start.predecessor_last_revision,
           .keys = {},
           .perhaps = {}});
    }
    stopped_ = stopped_ || stop_;
  }
  last_ = std::max(last_, start.base_revision);
}

absl::Status SalvageLog::read_segment(FileView& file, std::uint64_t seed, std::uint64_t end, bool last) {
  std::uint64_t at = kSegmentHeaderBytes;
  while (at < end) {
    SegmentWalk walk(file, seed, at, end, std::nullopt);
    absl::StatusOr<SegmentWalk::Step> step = SegmentWalk::Step::kBatch;
    while (step.ok() && (*step == SegmentWalk::Step::kBatch || *step == SegmentWalk::Step::kRecord)) {
      step = walk.next();
      if (step.ok() && *step == SegmentWalk::Step::kRecord) take(walk.record(), file.path());
    }
    if (step.ok() && *step == SegmentWalk::Step::kEnd) return absl::OkStatus();
    if (!step.ok() && !is_damage(step.status())) return step.status();
    const std::string why = step.ok() ? std::string(walk.why()) : facts_of(step.status())["what"];
    const auto next = find_batch(file, seed, walk.position() + (step.ok() ? 0 : kBatchAlignment));
    if (!next.ok()) return next.status();
    const std::uint64_t resume = *next ? std::min((*next)->offset, end) : end;
    const bool only_zeros = !*next && last && resume == walk.position();
    if (!only_zeros) {
      if (absl::Status noted = lost(file, walk.position(), resume, why, *next ? (*next)->header.first_revision : 0);
          !noted.ok()) {
        return noted;
      }
    }
    at = std::max(resume, walk.position() + (step.ok() ? 0 : kBatchAlignment));
    if (!*next) return absl::OkStatus();
  }
  return absl::OkStatus();
}

void SalvageLog::take(const RecordFacts& record, const std::string& path) {
  // The header would have said whether these were lost or never given.
  if (header_lost_ && record.revision > last_ + 1) {
    losses_.back().first_revision = last_ + 1;
    losses_.back().last_revision = record.revision - 1;
    stopped_ = stopped_ || stop_;
  }
  header_lost_ = false;
  last_ = std::max(last_, record.revision);
  if (!stopped_) return keep_(record);
  Loss& loss = losses_.back();
  if (loss.what != "behind the damage" || loss.file != directory_.below(path)) {
    losses_.push_back({.file = directory_.below(path),
                       .from = record.offset,
                       .what = "behind the damage",
                       .first_revision = record.revision,
                       .keys = {},
                       .perhaps = {}});
  }
  losses_.back().to = record.offset + record.bytes;
  losses_.back().last_revision = record.revision;
  for (const Mutation& mutation : record.mutations) losses_.back().keys.emplace_back(mutation.key);
}

absl::Status SalvageLog::lost_whole(const std::string& path, std::uint64_t bytes, std::string_view why) {
  losses_.push_back({.file = directory_.below(path),
                     .to = bytes,
                     .what = std::string(why),
                     .first_revision = last_ + 1,
                     .keys = {},
                     .perhaps = {}});
  stopped_ = stopped_ || stop_;
  return absl::OkStatus();
}

absl::Status SalvageLog::lost(FileView& file, std::uint64_t from, std::uint64_t to, std::string_view why,
                              Revision next) {
  Loss loss{.file = directory_.below(file.path()),
            .from = from,
            .to = to,
            .what = std::string(why),
            .keys = {},
            .perhaps = {}};
  // Without a batch behind it nobody knows how many records stood here: at least one, unless it was a header alone.
  if (next == 0 || next > last_ + 1) loss.first_revision = last_ + 1;
  if (next > last_ + 1) loss.last_revision = next - 1;
  name_keys(file, from, to, loss);
  // Damage that took no revision, or only such as the snapshot holds, does not change the state.
  stopped_ = stopped_ || (stop_ && loss.first_revision != 0);
  losses_.push_back(std::move(loss));
  return absl::OkStatus();
}

// What the bytes seem to say, if they still have the form of a record.
void SalvageLog::name_keys(FileView& file, std::uint64_t from, std::uint64_t to, Loss& loss) const {
  for (std::uint64_t at = from; at + kRecordHeaderBytes <= to && loss.perhaps.size() < kKeysNamedMax;) {
    const auto header = file.view(at, kRecordHeaderBytes);
    const auto length = header.ok() ? record_length(*header) : std::nullopt;
    if (!length || *length > to - at) return;
    const auto bytes = file.view(at, *length);
    RecordFacts record;
    if (!bytes.ok() || bytes->size() < *length || !decode_record(*bytes, record)) return;
    for (const Mutation& mutation : record.mutations) loss.perhaps.emplace_back(mutation.key);
    at += *length;
  }
}

}  // namespace kv::tools
