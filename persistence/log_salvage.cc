#include "persistence/log_salvage.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "persistence/damage.h"
#include "persistence/log_reader.h"

namespace kv {
namespace {

// One salvage_log() call.
class Salvage {
 public:
  Salvage(FileSystem& fs, const SalvageOrder& order, const RecordVisitor& visit)
      : fs_(fs), order_(order), visit_(visit) {}

  absl::StatusOr<LogRemains> run() {
    for (std::size_t from = 0; from < order_.segments.size();) {
      const auto next = use_from(from);
      if (!next.ok()) return next.status();
      if (*next == kDone) break;
      from = *next;
    }
    if (absl::Status listed = list_the_rest(); !listed.ok()) return listed;
    return std::move(remains_);
  }

 private:
  static constexpr std::size_t kDone = static_cast<std::size_t>(-1);

  absl::StatusOr<std::unique_ptr<SegmentReader>> open(std::size_t index) {
    return SegmentReader::open(fs_, order_.directory, order_.store_id, order_.segments[index].number);
  }

  // Where to try next, or kDone.
  absl::StatusOr<std::size_t> use_from(std::size_t from) {
    std::optional<Revision> base;
    if (const auto first = open(from); !first.ok()) {
      return note(first.status(), from);
    } else if ((*first)->started()) {
      base = (*first)->start_block().base_revision;
    }
    const bool continues = from == 0 && order_.joined;
    if (!base && !continues) return from + 1;  // Nobody knows where it begins; list_the_rest() says more.
    const bool joins = continues || *base <= order_.cut;
    if (!joins) return kDone;
    auto prefix = replay_log_to_damage(fs_, order_.directory, order_.store_id, order_.segments.subspan(from), visit_);
    if (!prefix.ok()) return prefix.status();
    if (!prefix->damage.ok()) {
      const auto next = note(prefix->damage, from + prefix->damaged_index);
      // Below the cut nothing of it is needed, and what comes later may join the snapshot.
      if (!next.ok() || prefix->replay.segments.empty() || prefix->replay.last_revision < order_.cut) return next;
    }
    remains_.replay = std::move(prefix->replay);
    return kDone;
  }

  // Damage is noted, and the segment behind it is next; anything else ends the start.
  absl::StatusOr<std::size_t> note(const absl::Status& status, std::size_t index) {
    if (!is_damage(status)) return status;
    remains_.found.push_back(status);
    damaged_.insert(index);
    return index + 1;
  }

  bool counts(std::size_t index) const {
    const auto& used = remains_.replay.segments;
    return damaged_.count(index) == 0 && std::any_of(used.begin(), used.end(), [&](const ReplayedSegment& segment) {
             return segment.end.number == order_.segments[index].number;
           });
  }

  absl::Status list_the_rest() {
    for (std::size_t i = 0; i < order_.segments.size(); ++i) {
      if (counts(i)) continue;
      const auto reader = open(i);
      if (!reader.ok() && !is_damage(reader.status())) return reader.status();
      if (reader.ok() && damaged_.count(i) == 0) {
        const auto nothing = nothing_in(**reader, i);
        if (!nothing.ok()) return nothing.status();
        if (*nothing) continue;
      }
      if (reader.ok()) learn(**reader);
      const std::string path = fmt::format("{}/{}", order_.directory, segment_name(order_.segments[i].number));
      const auto there = fs_.exists(path);
      if (!there.ok()) return there.status();
      if (!*there) continue;
      remains_.set_aside.push_back(
          {.file = path, .ending = damaged_.count(i) != 0 ? kDamagedEnding : kCutOffEnding, .bytes = size_of(path)});
    }
    return absl::OkStatus();
  }

  // False for one whose start block is not right but that holds bytes. Torn, when the power went as it was begun;
  // damaged, and noted so, when its batches tell of more on disk than is left of the log.
  absl::StatusOr<bool> nothing_in(SegmentReader& reader, std::size_t index) {
    if (reader.started()) return false;
    const auto found = reader.scan(kIdentityBytes);
    absl::Status damage = found.status();
    if (found.ok() && found->watermark > remains_.replay.last_revision) {
      damage = log_corruption(reader.path(), kIdentityBytes, "the segment's start block is damaged");
    }
    if (damage.ok()) return found->bytes_used == kIdentityBytes;
    const auto noted = note(damage, index);
    return noted.ok() ? absl::StatusOr<bool>(false) : noted.status();
  }

  void learn(SegmentReader& reader) {
    Revision& known = remains_.known_revision;
    if (reader.started()) known = std::max(known, reader.start_block().base_revision);
    // Where the disk does not answer nothing is learnt.
    if (const auto scan = reader.scan(kIdentityBytes); scan.ok()) known = std::max(known, scan->watermark);
  }

  // For people: a file that cannot be opened has no size to show.
  std::uint64_t size_of(const std::string& path) {
    const auto file = fs_.open(path, FileSystem::Open::kRead);
    return file.ok() ? (*file)->size().value_or(0) : 0;
  }

  FileSystem& fs_;
  const SalvageOrder& order_;
  const RecordVisitor& visit_;
  LogRemains remains_;
  std::set<std::size_t> damaged_;  // indices of segments
};

}  // namespace

absl::StatusOr<LogRemains> salvage_log(FileSystem& fs, const SalvageOrder& order, const RecordVisitor& visit) {
  return Salvage(fs, order, visit).run();
}

}  // namespace kv
