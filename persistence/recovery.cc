#include "persistence/recovery.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "persistence/damage.h"
#include "persistence/format/log_format.h"
#include "persistence/format/snapshot_format.h"
#include "persistence/log_reader.h"
#include "persistence/log_replay.h"
#include "persistence/log_salvage.h"
#include "persistence/segment_writer.h"
#include "persistence/snapshot_loader.h"

namespace kv {
namespace {

class Recovery {
 public:
  // Without `consent` damage ends it.
  Recovery(const RecoveryContext& context, const Manifest& manifest, const Consent* consent)
      : context_(context), consent_(consent) {
    result_.manifest = manifest;
    if (!manifest.snapshots.empty()) newest_cut_ = manifest.snapshots.back().cut;
    result_.clock = manifest.clock;
    result_.report.clean_shutdown = manifest.clean;
  }

  absl::StatusOr<Recovered> run(const DirectoryListing& listing) {
    skip_used_numbers(listing);
    undo_switch();
    if (absl::Status loaded = load(); !loaded.ok()) {
      context_.store.clear();
      return loaded;
    }
    result_.revision = std::max(cut_, result_.revision);
    result_.report.revision = result_.revision;
    result_.report.keys_loaded = context_.store.totals().keys;
    return std::move(result_);
  }

 private:
  Manifest& manifest() { return result_.manifest; }

  // One above the highest in MANIFEST or directory.
  void skip_used_numbers(const DirectoryListing& listing) {
    const auto above = [&](const std::set<std::uint64_t>& numbers) {
      return 1 + std::max(numbers.empty() ? 0 : *numbers.rbegin(), listing.highest_temporary);
    };
    manifest().next_segment = std::max(manifest().next_segment, above(listing.segments));
    manifest().next_snapshot = std::max(manifest().next_snapshot, above(listing.snapshots));
  }

  // Until a switch is ACTIVE the old files are the truth, and the log it opened never counted.
  void undo_switch() {
    std::optional<SwitchRecord> record = manifest().mode_switch;
    forget_switch(manifest());
    if (!record || record->phase == SwitchPhase::kFailed) return;
    record->phase = SwitchPhase::kAccepted;
    record->first_segment = 0;
    record->base = 0;
    manifest().mode_switch = std::move(record);
  }

  absl::Status load() {
    if (manifest().mode == Mode::kNonPersistent) return absl::OkStatus();
    count_bytes();
    if (consent_ != nullptr) return load_past_damage();
    if (absl::Status loaded = load_snapshots(); !loaded.ok()) return loaded;
    return manifest().segments.empty() ? absl::OkStatus() : replay();
  }

  void count_bytes() {
    std::uint64_t total = manifest().snapshots.empty() ? 0 : manifest().snapshots.back().bytes;
    for (const std::uint64_t number : manifest().segments.numbers()) {
      // Only an estimate to show: a segment that cannot be opened is replay's matter.
      const auto file = context_.fs.open(context_.directory.segment_path(number), FileSystem::Open::kRead);
      if (file.ok()) total += (*file)->size().value_or(0);
    }
    context_.progress.bytes_total = total;
  }

  // The newest good one. An older one serves only where the log continues it, so that nothing is lost.
  absl::Status load_snapshots() {
    absl::Status newest_failed;
    std::vector<SnapshotRecord>& snapshots = manifest().snapshots;
    while (!snapshots.empty()) {
      const SnapshotRecord snapshot = snapshots.back();
      if (!newest_failed.ok() && snapshot.cut < manifest().log_whole_from) return newest_failed;
      const absl::Status loaded = load_snapshot_file(snapshot);
      if (loaded.ok()) return loaded;
      if (loaded.code() != absl::StatusCode::kDataLoss || manifest().mode != Mode::kHybrid) return loaded;
      context_.log(2,
                   fmt::format("snapshot skipped, the log will be replayed from an older one: {}", message_of(loaded)));
      result_.report.files_skipped.emplace_back(message_of(loaded));
      set_aside_snapshot(snapshot);
      snapshots.pop_back();
      newest_failed.Update(loaded);
    }
    if (has_log(manifest().mode) && manifest().log_whole_from > 0) {
      if (!newest_failed.ok()) return newest_failed;
      return error(Reason::kChecksum,
                   fmt::format("{}: no snapshot is named, and the log is whole only from revision {} on",
                               context_.directory.path(), manifest().log_whole_from));
    }
    return absl::OkStatus();
  }

  absl::Status load_snapshot_file(const SnapshotRecord& snapshot) {
    const std::string path = context_.directory.snapshot_path(snapshot.number);
    const absl::StatusOr<bool> there = context_.fs.exists(path);
    if (!there.ok()) return there.status();
    if (!*there) {
      return error(Reason::kChecksum, fmt::format("{}: named in MANIFEST, but missing", path), {{"file", path}});
    }
    SnapshotExpected expected;
    expected.store_id = manifest().store_id;
    expected.number = snapshot.number;
    expected.cut = snapshot.cut;
    expected.file_bytes = snapshot.bytes;
    expected.digest = snapshot.digest;
    SnapshotLoadOptions options;
    options.threads = context_.load_threads;
    options.progress = [this](std::uint64_t more) { context_.progress.bytes_done += more; };
    const std::uint64_t done_before = context_.progress.bytes_done;
    const auto info = load_snapshot(context_.fs, path, expected, context_.store, options);
    if (!info.ok()) {
      context_.progress.bytes_done = done_before;  // none of it is in the store
      return info.status();
    }
    cut_ = info->cut();
    result_.clock = std::max(result_.clock, info->header.clock);
    result_.report.files_loaded.push_back(fmt::format("snapshots/{}", snapshot_format::file_name(snapshot.number)));
    return absl::OkStatus();
  }

  std::vector<NamedSegment> named_segments() {
    std::vector<NamedSegment> named;
    for (const std::uint64_t number : manifest().segments.numbers()) {
      const auto used = manifest().used.find(number);
      named.push_back({number, used == manifest().used.end() ? std::nullopt : std::optional(used->second)});
    }
    return named;
  }

  absl::Status replay() {
    const std::vector<NamedSegment> named = named_segments();
    const auto replayed = replay_log(context_.fs, context_.directory.log_path(), manifest().store_id, named,
                                     [this](const LogRecord& record) {
                                       apply(record);
                                       remember(record);
                                     });
    if (!replayed.ok()) return replayed.status();
    if (replayed->segments.empty()) {
      // Prepared, never started: the process ended between making the first segments and using them.
      manifest().segments = {};
      manifest().used.clear();
      return absl::OkStatus();
    }
    if (absl::Status whole = check_reach(*replayed); !whole.ok()) return whole;
    return use_log(*replayed);
  }

  absl::Status use_log(const LogReplay& replayed) {
    context_.progress.bytes_done += replayed.bytes;
    result_.revision = replayed.last_revision;
    result_.clock = std::max(result_.clock, replayed.clock);
    for (const ReplayedSegment& segment : replayed.segments) {
      result_.report.files_loaded.push_back(fmt::format("aof/{}", segment_name(segment.end.number)));
    }
    return replayed.sealed ? keep_segments(replayed, {replayed.segments.back().end, {}}) : make_tail_safe(replayed);
  }

  void apply(const LogRecord& record) {
    if (record.revision <= cut_) return;
    for (const Mutation& mutation : record.mutations) context_.store.apply(mutation, record.revision);
    ++result_.records_above_snapshot;
    ++result_.report.records_replayed;
  }

  // The batch was written after the id was remembered, so none is forgotten too early for having been replayed.
  void remember(const LogRecord& record) {
    if (!record.request || record.revision <= cut_) return;
    context_.store.requests().restore({*record.request, record.revision, record.clock});
  }

  // A snapshot is published only when the log is on disk through its cut: a log that ends before has lost bytes. That
  // holds for one that is damaged and not loaded too.
  absl::Status check_reach(const LogReplay& replayed) {
    const Revision cut = newest_cut_;
    if (!has_log(manifest().mode) || replayed.last_revision >= cut) return absl::OkStatus();
    const SegmentEnd& end = replayed.segments.back().end;
    const bool sealed = replayed.end_file.empty();
    const std::string path = sealed ? context_.directory.segment_path(end.number) : replayed.end_file;
    const std::uint64_t offset = sealed ? end.used : replayed.end_offset;
    return error(Reason::kChecksum,
                 fmt::format("{}: the log ends at revision {}, offset {}, before the newest snapshot's revision {}",
                             path, replayed.last_revision, offset, cut),
                 {{"file", path}, {"offset", std::to_string(offset)}});
  }

  absl::Status make_tail_safe(const LogReplay& replayed) {
    if (replayed.discarded_bytes > 0) {
      context_.log(
          1, fmt::format("torn tail: {} ends at offset {}, {} bytes beyond it do not count, last revision {}",
                         replayed.tail_file, replayed.tail_offset, replayed.discarded_bytes, replayed.last_revision));
      result_.report.tail_bytes_discarded = replayed.discarded_bytes;
    }
    give_back_unused(replayed);
    const auto safe = copy_tail(context_.fs, context_.directory.log_path(), manifest().store_id, replayed,
                                manifest().next_segment, context_.clock.now());
    if (!safe.ok()) return safe.status();
    return keep_segments(replayed, *safe);
  }

  // Segments that the dead server had prepared and not begun are swept when MANIFEST no longer names them. On a full
  // disk this start would not come to write that, so what they take is given back before. They stay what they were:
  // unused. One that holds bytes is not touched, and none that is set aside.
  void give_back_unused(const LogReplay& replayed) {
    for (const std::uint64_t number : manifest().segments.numbers()) {
      if (number <= replayed.segments.back().end.number || is_set_aside(number)) continue;
      const auto unused = SegmentReader::open(context_.fs, context_.directory.log_path(), manifest().store_id, number);
      if (!unused.ok() || !(*unused)->unused().value_or(false)) continue;
      const absl::Status given = shrink_unused(context_.fs, (*unused)->path());
      if (!given.ok()) context_.log(1, fmt::format("space not given back yet: {}", message_of(given)));
    }
  }

  bool is_set_aside(std::uint64_t segment) const {
    return std::any_of(result_.set_aside.begin(), result_.set_aside.end(),
                       [&](const SetAside& one) { return one.file.ends_with(segment_name(segment)); });
  }

  // MANIFEST names exactly what was replayed, and where it ends.
  absl::Status keep_segments(const LogReplay& replayed, const SafeTail& safe) {
    SegmentSet kept;
    for (const ReplayedSegment& segment : replayed.segments) {
      if (segment.end.number > safe.cut.number) break;
      const SegmentEnd& end = segment.end.number == safe.cut.number ? safe.cut : segment.end;
      kept.add(end.number, end.number);
      result_.closed.push_back({end.number, end.last_revision, end.used});
    }
    std::erase_if(manifest().used, [&](const auto& item) { return !kept.contains(item.first); });
    // Number 0: not even the first segment has bytes that count, everything is in the tail.
    if (safe.cut.number != 0) manifest().used[safe.cut.number] = safe.cut.used;
    if (safe.tail.number != 0) {
      kept.add(safe.tail.number, safe.tail.number);
      manifest().used[safe.tail.number] = safe.tail.used;
      manifest().next_segment = safe.tail.number + 1;
      result_.closed.push_back({safe.tail.number, safe.tail.last_revision, safe.tail.used});
    }
    manifest().segments = std::move(kept);
    result_.log_end = safe.end();
    return absl::OkStatus();
  }

  // ---- Going on without what is damaged ----

  absl::Status load_past_damage() {
    if (absl::Status loaded = load_any_snapshot(); !loaded.ok()) return loaded;
    const std::vector<NamedSegment> named = named_segments();
    auto log = salvage(named);
    if (!log.ok()) return log.status();
    const LogReplay& replay = log->replay;
    // Never an empty start over data that was there.
    if (loss_.base.empty() && result_.report.records_replayed == 0 && !damage_.ok()) return damage_;
    loss_.set_aside = result_.set_aside;
    loss_.revision = std::max(cut_, replay.last_revision);
    loss_.known_revision = std::max(loss_.known_revision, log->known_revision);
    if (manifest().clean) loss_.known_revision = std::max(loss_.known_revision, manifest().last_revision);
    if (absl::Status agreed = (*consent_)(loss_); !agreed.ok()) return agreed;
    for (const SetAside& one : loss_.set_aside) {
      result_.report.files_skipped.push_back(fmt::format("{}, set aside as {}{}", one.file, one.file, one.ending));
    }
    if (replay.segments.empty()) {
      manifest().segments = {};
      manifest().used.clear();
      // What comes after the snapshot will be in the log that is opened next.
      if (has_log(manifest().mode)) manifest().log_whole_from = cut_;
      return absl::OkStatus();
    }
    if (replay.segments.front().end.number != named.front().number) {
      manifest().log_whole_from = std::max(manifest().log_whole_from, replay.segments.front().base_revision);
    }
    return use_log(replay);
  }

  // The newest that is good, whatever the log can add to it; none where the log is whole without.
  absl::Status load_any_snapshot() {
    std::vector<SnapshotRecord>& snapshots = manifest().snapshots;
    while (!snapshots.empty()) {
      const SnapshotRecord snapshot = snapshots.back();
      const absl::Status loaded = load_snapshot_file(snapshot);
      if (loaded.ok()) loss_.base = result_.report.files_loaded.back();
      if (!is_damage(loaded)) return loaded;
      note(loaded);
      set_aside_snapshot(snapshot);
      loss_.known_revision = std::max(loss_.known_revision, snapshot.cut);
      snapshots.pop_back();
    }
    if (has_log(manifest().mode) && manifest().log_whole_from == 0) return absl::OkStatus();
    if (!damage_.ok() || !has_log(manifest().mode)) return damage_;
    return error(Reason::kChecksum,
                 fmt::format("{}: no snapshot is named, and the log is whole only from revision {} on",
                             context_.directory.path(), manifest().log_whole_from));
  }

  absl::StatusOr<LogRemains> salvage(const std::vector<NamedSegment>& named) {
    const std::string directory = context_.directory.log_path();
    const SalvageOrder order{.directory = directory,
                             .store_id = manifest().store_id,
                             .segments = named,
                             .cut = cut_,
                             .joined = has_log(manifest().mode) && cut_ >= manifest().log_whole_from};
    auto log = salvage_log(context_.fs, order, [this](const LogRecord& record) {
      apply(record);
      remember(record);
    });
    if (!log.ok()) return log;
    for (const absl::Status& found : log->found) note(found);
    for (SetAside& one : log->set_aside) {
      one.file.erase(0, context_.directory.path().size() + 1);
      result_.set_aside.push_back(one);
    }
    if (log->replay.segments.empty()) return log;
    const absl::Status reach = check_reach(log->replay);
    if (!reach.ok() && log->found.empty()) {
      note(reach);
      for (SetAside& one : result_.set_aside) {
        if (one.file == loss_.damaged.back().file) one.ending = kDamagedEnding;
      }
    }
    // A log that ends below the snapshot leaves a hole: no older snapshot may be continued with it.
    if (log->replay.last_revision < cut_ && has_log(manifest().mode)) {
      for (const ReplayedSegment& segment : log->replay.segments) {
        result_.set_aside.push_back(
            {fmt::format("aof/{}", segment_name(segment.end.number)), kDamagedEnding, segment.end.used});
      }
      log->replay = {};
    }
    return log;
  }

  void note(const absl::Status& damage) {
    damage_.Update(damage);
    loss_.damaged.push_back(place_of(damage, context_.directory.path()));
  }

  void set_aside_snapshot(const SnapshotRecord& snapshot) {
    if (!context_.fs.exists(context_.directory.snapshot_path(snapshot.number)).value_or(true)) return;
    result_.set_aside.push_back(
        {fmt::format("snapshots/{}", snapshot_format::file_name(snapshot.number)), kDamagedEnding, snapshot.bytes});
  }

  const RecoveryContext& context_;
  const Consent* const consent_;
  Recovered result_;
  Revision cut_ = 0;
  Revision newest_cut_ = 0;  // of all snapshots that MANIFEST names
  absl::Status damage_;      // the first that was met
  DataLoss loss_;
};

}  // namespace

double LoadProgress::fraction() const noexcept {
  const std::uint64_t total = bytes_total.load();
  return total == 0 ? 0.0 : std::min(1.0, static_cast<double>(bytes_done.load()) / static_cast<double>(total));
}

absl::StatusOr<Recovered> recover(const RecoveryContext& context, const Manifest& manifest,
                                  const DirectoryListing& listing) {
  return Recovery(context, manifest, nullptr).run(listing);
}

absl::StatusOr<Recovered> recover_past_damage(const RecoveryContext& context, const Manifest& manifest,
                                              const DirectoryListing& listing, const Consent& consent) {
  return Recovery(context, manifest, &consent).run(listing);
}

}  // namespace kv
