#include "tools/examine.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"

namespace kv::tools {
namespace {

SnapshotClaim claim_of(const ManifestPage& page, const NamedSnapshot& named) {
  return {.store_id = page.store_id,
          .number = named.number,
          .cut = named.cut,
          .bytes = named.bytes,
          .digest = named.digest};
}

class Examiner {
 public:
  Examiner(FileSystem& fs, const DirectoryPage& directory, const ExamineOptions& options, Progress& progress)
      : fs_(fs), directory_(directory), options_(options), progress_(progress) {
    found_.state = State(options.values);
  }

  absl::StatusOr<Examination> run() {
    const auto listing = directory_.list();
    if (!listing.ok()) return listing.status();
    // As a start does: first what is unfinished, for without it nobody knows what may be removed.
    if (absl::Status failed = settle(read_set_aside(*listing)); !failed.ok()) return failed;
    if (absl::Status failed = settle(read_manifest(*listing)); !failed.ok()) return failed;
    if (!found_.manifest) {
      place_set_aside(*listing);
      found_.strangers = listing->strangers;
      return std::move(found_);
    }
    page_ = *found_.manifest;
    page_.undo_switch();
    list_snapshots();
    if (absl::Status failed = go_back(); !failed.ok()) return failed;
    if (absl::Status failed = settle(load()); !failed.ok()) return failed;
    found_.revision = std::max(cut_, found_.log.last_revision);
    if (absl::Status failed = stay_at_revision(); !failed.ok()) return failed;
    if (options_.deep) {
      if (absl::Status failed = check_the_rest(); !failed.ok()) return failed;
    }
    // A damaged snapshot is named all the same.
    page_.snapshots = found_.manifest->snapshots;
    place_set_aside(*listing);
    if (absl::Status failed = read_accepted(*listing); !failed.ok()) return failed;
    if (found_.start == Examination::Start::kRefuses) found_.state.clear();
    const auto unnamed = directory_.unnamed(*listing, page_);
    if (!unnamed.ok()) return unnamed.status();
    found_.swept = unnamed->ours;
    std::erase_if(found_.swept, [this](const std::string& file) { return is_set_aside(file); });
    found_.strangers = unnamed->strangers;
    return std::move(found_);
  }

 private:
  // Damage ends the start, and is a result; what is no damage is the caller's.
  absl::Status settle(const absl::Status& status) {
    if (status.ok() || !is_damage(status)) return status;
    note(status);
    found_.start = Examination::Start::kRefuses;
    found_.state.clear();
    return absl::OkStatus();
  }
  void note(const absl::Status& status) { found_.damaged.push_back(place_of(status, directory_)); }

  absl::Status read_manifest(const Listing& listing) {
    auto page = directory_.read_manifest();
    if (!page.ok()) return page.status();
    if (*page) {
      found_.manifest = **page;
    } else if (listing.has_data()) {
      return damage(directory_.manifest(), 0, "it is missing, but there are data files beside it");
    } else if (found_.damaged.empty()) {
      found_.start = Examination::Start::kFresh;
    }
    return absl::OkStatus();
  }

  absl::Status read_set_aside(const Listing& listing) {
    auto files = directory_.read_set_aside(listing);
    if (!files.ok()) return files.status();
    for (FileSetAside& file : *files) found_.set_aside.push_back({std::move(file)});
    return absl::OkStatus();
  }
  bool is_set_aside(const std::string& file) const {
    return std::any_of(found_.set_aside.begin(), found_.set_aside.end(),
                       [&](const Examination::SetAside& one) { return one.file.file == file; });
  }

  void place_set_aside(const Listing& listing) {
    using Now = Examination::SetAside::Now;
    for (Examination::SetAside& one : found_.set_aside) {
      const FileSetAside& file = one.file;
      const bool named = file.segment ? page_.names_segment(*file.segment) : names_snapshot(*file.snapshot);
      const bool there =
          file.segment ? listing.segments.contains(*file.segment) : listing.snapshots.contains(*file.snapshot);
      one.now = named ? Now::kNamed : there ? Now::kToRename : Now::kGone;
    }
  }

  // No start reads them: they are for people. So damage here is told, and ends nothing.
  absl::Status read_accepted(const Listing& listing) {
    for (const std::string& name : listing.accepted) {
      auto loss = directory_.read_accepted(name, page_.store_id);
      if (!loss.ok() && !is_damage(loss.status())) return loss.status();
      if (loss.ok()) {
        found_.accepted.push_back(*std::move(loss));
      } else {
        note(loss.status());
      }
    }
    return absl::OkStatus();
  }
  bool names_snapshot(std::uint64_t number) const {
    return std::any_of(page_.snapshots.begin(), page_.snapshots.end(),
                       [&](const NamedSnapshot& named) { return named.number == number; });
  }

  void list_snapshots() {
    for (const NamedSnapshot& named : page_.snapshots) {
      found_.snapshots.push_back({.file = directory_.below(directory_.snapshot(named.number)),
                                  .number = named.number,
                                  .cut = named.cut,
                                  .keys = named.keys,
                                  .bytes = named.bytes});
    }
  }

  // What is above the revision that is asked for does not count.
  absl::Status go_back() {
    if (!options_.as_of) return absl::OkStatus();
    const bool newest_goes_on = page_.snapshots.empty() || page_.snapshots.back().cut <= *options_.as_of;
    while (!page_.snapshots.empty() && page_.snapshots.back().cut > *options_.as_of) page_.snapshots.pop_back();
    const Revision cut = page_.snapshots.empty() ? 0 : page_.snapshots.back().cut;
    if (!page_.snapshots.empty() && cut == *options_.as_of) return absl::OkStatus();
    // SNAPSHOT may keep segments behind its newest snapshot.
    if (page_.has_log() ? cut >= page_.log_whole_from : newest_goes_on) return absl::OkStatus();
    std::string cuts;
    for (const SnapshotSummary& one : found_.snapshots) cuts += fmt::format("{}{}", cuts.empty() ? "" : ", ", one.cut);
    return absl::OutOfRangeError(
        fmt::format("the state of revision {} is not to be had: there are snapshots of revisions {}; the log is "
                    "whole only from {} on",
                    *options_.as_of, cuts.empty() ? "none" : cuts,
                    page_.has_log() ? page_.log_whole_from : found_.snapshots.back().cut));
  }

  absl::Status stay_at_revision() {
    if (!options_.as_of || found_.start != Examination::Start::kServes) return absl::OkStatus();
    if (*options_.as_of > found_.revision) {
      return absl::OutOfRangeError(
          fmt::format("the state of revision {} is not to be had: the newest that is there is {}", *options_.as_of,
                      found_.revision));
    }
    found_.revision = *options_.as_of;
    return absl::OkStatus();
  }

  absl::Status load() {
    if (page_.mode == "NON_PERSISTENT") return absl::OkStatus();
    if (absl::Status loaded = load_snapshots(); !loaded.ok()) return loaded;
    return page_.segments.empty() ? absl::OkStatus() : replay();
  }

  absl::Status load_snapshot(const NamedSnapshot& named, SnapshotSummary& summary, State* state) {
    SnapshotVisitor visitor;
    if (state != nullptr) {
      visitor.entry = [&](std::uint64_t offset, std::string_view key, const KeyState& facts, std::string_view value) {
        if (state->load(key, facts, value)) return absl::OkStatus();
        return damage(directory_.snapshot(named.number), offset, "a key is there twice");
      };
      visitor.request = [state](std::uint64_t, const auto& request) { state->remember(request); };
    }
    const auto facts =
        read_snapshot(fs_, directory_.snapshot(named.number), claim_of(page_, named), visitor, progress_);
    summary.verdict = facts.ok() ? SnapshotSummary::Verdict::kGood : SnapshotSummary::Verdict::kDamaged;
    return facts.status();
  }

  // The newest good one. HYBRID alone goes on with an older one, and only where the log continues that one.
  absl::Status load_snapshots() {
    std::vector<absl::Status> passed_over;
    while (!page_.snapshots.empty()) {
      const NamedSnapshot& named = page_.snapshots.back();
      if (!passed_over.empty() && named.cut < page_.log_whole_from) return note_all(passed_over);
      SnapshotSummary& summary = found_.snapshots[page_.snapshots.size() - 1];
      const absl::Status loaded = load_snapshot(named, summary, &found_.state);
      if (loaded.ok()) {
        cut_ = named.cut;
        summary.loaded = true;
        break;
      }
      found_.state.clear();
      if (!is_damage(loaded) || page_.mode != "HYBRID") return loaded;
      passed_over.push_back(loaded);
      page_.snapshots.pop_back();
    }
    const bool from_nothing = page_.snapshots.empty() && page_.has_log() && page_.log_whole_from > 0;
    if (from_nothing && !passed_over.empty()) return note_all(passed_over);
    if (from_nothing) {
      return damage(
          directory_.manifest(), 0,
          fmt::format("no snapshot is named, and the log is whole only from revision {} on", page_.log_whole_from));
    }
    for (const absl::Status& one : passed_over) note(one);
    return absl::OkStatus();
  }

  // Nothing makes up for them: the newest is what the start is refused for.
  absl::Status note_all(const std::vector<absl::Status>& passed_over) {
    for (std::size_t i = 1; i < passed_over.size(); ++i) note(passed_over[i]);
    return passed_over.front();
  }

  absl::Status replay() {
    const LogPlace place{directory_.log_folder(), page_.store_id, page_.segment_numbers(), page_.used};
    auto log = read_log(
        fs_, place,
        [this](const RecordFacts& record) {
          if (record.revision <= cut_ || record.revision > options_.as_of.value_or(record.revision)) return;
          for (const Mutation& mutation : record.mutations) found_.state.apply(mutation, record.revision);
          found_.state.remember(record);
          ++found_.records_applied;
        },
        progress_);
    if (!log.ok()) return log.status();
    found_.log = *std::move(log);
    return check_reach();
  }

  // A snapshot is published when the log is on disk through its cut. A log of which nothing was started says nothing: a
  // start without writes leaves one behind.
  absl::Status check_reach() const {
    const LogChain& log = found_.log;
    const std::vector<NamedSnapshot>& named = found_.manifest->snapshots;  // a damaged one too
    if (!page_.has_log() || named.empty() || log.counted == 0) return absl::OkStatus();
    const Revision cut = named.back().cut;
    if (log.last_revision >= cut) return absl::OkStatus();
    const SegmentSummary& last = log.segments[log.counted - 1];
    return damage(
        log.end ? log.end->bad_file : last.path, log.end ? log.end->bad_offset : last.used,
        fmt::format("the log ends at revision {}, before the newest snapshot's revision {}", log.last_revision, cut));
  }

  absl::Status check_the_rest();
  absl::Status compare_with_log();
  absl::Status check_past();

  FileSystem& fs_;
  const DirectoryPage& directory_;
  const ExamineOptions& options_;
  Progress& progress_;
  Examination found_;
  ManifestPage page_;  // as a start sees it: switch undone, damaged snapshots left out
  Revision cut_ = 0;
};

// Snapshots that no start has read yet.
absl::Status Examiner::check_the_rest() {
  for (std::size_t i = 0; i < found_.snapshots.size(); ++i) {
    SnapshotSummary& summary = found_.snapshots[i];
    if (summary.verdict != SnapshotSummary::Verdict::kNotRead) continue;
    const absl::Status read = load_snapshot(found_.manifest->snapshots[i], summary, nullptr);
    if (!read.ok() && !is_damage(read)) return read;
    if (!read.ok()) note(read);
  }
  if (absl::Status compared = compare_with_log(); !compared.ok()) return compared;
  return check_past();
}

// From the oldest snapshot that the log continues: at the cut of each newer one, the log must have made the same state.
absl::Status Examiner::compare_with_log() {
  if (!page_.has_log() || found_.start != Examination::Start::kServes) return absl::OkStatus();
  std::vector<std::size_t> good;
  for (std::size_t i = 0; i < found_.snapshots.size(); ++i) {
    const SnapshotSummary& summary = found_.snapshots[i];
    if (summary.verdict == SnapshotSummary::Verdict::kGood && summary.cut >= page_.log_whole_from) good.push_back(i);
  }
  if (good.size() < 2) return absl::OkStatus();
  State state(State::Values::kHashed);
  SnapshotSummary ignored;
  if (absl::Status loaded = load_snapshot(found_.manifest->snapshots[good.front()], ignored, &state); !loaded.ok()) {
    return loaded;
  }
  std::size_t next = 1;
  const Revision from = found_.snapshots[good.front()].cut;
  const auto compare = [&](Revision reached) {
    for (; next < good.size() && found_.snapshots[good[next]].cut <= reached; ++next) {
      const NamedSnapshot& named = found_.manifest->snapshots[good[next]];
      const auto facts = read_snapshot(fs_, directory_.snapshot(named.number), claim_of(page_, named), {}, progress_);
      if (!facts.ok() || facts->footer.state_digest == state.digest()) continue;
      note(damage(directory_.snapshot(named.number), 0,
                  "its state is not the one that the log makes from the older snapshot"));
    }
  };
  const LogPlace place{directory_.log_folder(), page_.store_id, page_.segment_numbers(), page_.used};
  const auto log = read_log(
      fs_, place,
      [&](const RecordFacts& record) {
        compare(record.revision - 1);
        if (record.revision <= from) return;
        for (const Mutation& mutation : record.mutations) state.apply(mutation, record.revision);
      },
      progress_);
  if (!log.ok()) return log.status();
  compare(log->last_revision);
  return absl::OkStatus();
}

// Folders of former modes: each file by itself, because nothing ties them any more.
absl::Status Examiner::check_past() {
  for (const PastFolder& folder : found_.manifest->past) {
    for (const std::uint64_t number : folder.snapshots) {
      const std::string path = fmt::format("{}/{}", directory_.past(folder.number), snapshot_format::file_name(number));
      const auto there = fs_.exists(path);
      if (!there.ok()) return there.status();
      if (!*there) continue;  // Not yet moved, or removed by hand: no start minds.
      const auto facts = read_snapshot(fs_, path, {.store_id = page_.store_id, .number = number}, {}, progress_);
      if (!facts.ok() && !is_damage(facts.status())) return facts.status();
      if (!facts.ok()) note(facts.status());
    }
  }
  return absl::OkStatus();
}

}  // namespace

DamagedPlace place_of(const absl::Status& status, const DirectoryPage& directory) {
  const std::map<std::string, std::string> facts = facts_of(status);
  DamagedPlace place;
  const auto file = facts.find("file");
  const auto offset = facts.find("offset");
  const auto what = facts.find("what");
  if (file != facts.end()) place.file = directory.below(file->second);
  if (offset != facts.end()) {
    const std::string& digits = offset->second;
    std::from_chars(digits.data(), digits.data() + digits.size(), place.offset);
  }
  place.what = what != facts.end() ? what->second : std::string(message_of(status));
  return place;
}

absl::StatusOr<Examination> examine(FileSystem& fs, const DirectoryPage& directory, const ExamineOptions& options,
                                    Progress& progress) {
  return Examiner(fs, directory, options, progress).run();
}

}  // namespace kv::tools
