#include "persistence/mode_switch.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "persistence/segment_writer.h"
#include "persistence/setting_names.h"

namespace kv {
namespace {

constexpr std::chrono::seconds kAskForSpaceAfter{1};

}  // namespace

SwitchRecord record_of_next(Mode in_force, AcceptedChange change) {
  SwitchRecord record;
  record.from = record.to = in_force;
  if (const auto mode = change.texts.find("mode"); mode != change.texts.end()) {
    record.to = parse_mode(mode->second).value_or(record.to);
  }
  record.change = std::move(change.texts);
  record.change_id = change.id;
  return record;
}

void set_next(SwitchRecord& record, std::optional<AcceptedChange> next) {
  record.next_id = next ? next->id : 0;
  record.next = next ? std::optional(std::move(next->texts)) : std::nullopt;
}

std::optional<AcceptedChange> take_next(SwitchRecord& record) {
  std::optional<AcceptedChange> next;
  if (record.next) next = AcceptedChange{*std::move(record.next), record.next_id};
  set_next(record, std::nullopt);
  return next;
}

ModeSwitch::ModeSwitch(StorageCore& core, SnapshotPublisher& snapshots, Settings target, AcceptedChange change,
                       bool snapshot_first, TellPhase tell, Next next)
    : core_(core),
      snapshots_(snapshots),
      target_(target),
      change_(std::move(change)),
      snapshot_first_(snapshot_first),
      tell_(std::move(tell)),
      next_(std::move(next)),
      from_(core.keeper->get()->mode) {}

absl::Status ModeSwitch::run() {
  if (absl::Status failed = core_.journal->failure(); !failed.ok()) return failed;  // Nothing is written any more.
  if (has_log(target_.mode) && !has_log(from_)) first_segment_ = core_.next_segment();
  const absl::Status accepted = core_.keeper->update([&](Manifest& manifest) {
    forget_switch(manifest);
    SwitchRecord record;
    record.from = from_;
    record.to = target_.mode;
    record.change = change_.texts;
    record.change_id = change_.id;
    record.first_segment = first_segment_;
    set_next(record, next_());  // It may be on record already, in the one that this takes the place of.
    manifest.mode_switch = record;
  });
  if (!accepted.ok()) return accepted;
  tell_(SwitchPhase::kAccepted);
  core_.info(fmt::format("switching from {} to {}", word(from_), word(target_.mode)));

  absl::Status done = carry_out();
  if (!done.ok()) {
    if (!core_.stopping) give_up(done);
    return done;
  }
  core_.adopt(target_);
  if (has_log(target_.mode)) done = sync_what_was_answered();
  if (!done.ok()) {
    core_.warn(fmt::format("switched from {} to {}, but the log is not on disk: {}", word(from_), word(target_.mode),
                           message_of(done)));
    // The journal has failed: the new mode is in force, and its promise is not. Or a stop has ended a wait for space.
    if (!core_.stopping) tell_(SwitchPhase::kFailed);
    return done;
  }
  tell_(SwitchPhase::kActive);
  core_.info(fmt::format("switched from {} to {}", word(from_), word(target_.mode)));
  return absl::OkStatus();
}

// What was answered at the old mode's level, above the cut, is in the log and need not be on disk yet: it is, before
// anybody is told that the new mode's promise holds. Writers stand still only for what came during the first sync.
absl::Status ModeSwitch::sync_what_was_answered() {
  absl::Status done = core_.journal->sync_through(core_.journal->applied());
  if (!log_opened_) return done;
  if (done.ok()) done = core_.journal->pause();  // which syncs
  core_.journal->set_promised(true);
  core_.journal->resume();
  return done;
}

absl::Status ModeSwitch::carry_out() {
  if (target_.mode == Mode::kNonPersistent) return to_nothing();
  if (target_.mode == Mode::kSnapshot) return has_log(from_) ? log_to_snapshot() : nothing_to_snapshot();
  return has_log(from_) ? log_to_log() : into_log();
}

// What waited as the next change is the recorded one from here on, so that no crash forgets it.
void ModeSwitch::end_switch(Manifest& manifest) const {
  std::optional<AcceptedChange> next;
  if (manifest.mode_switch) next = take_next(*manifest.mode_switch);
  manifest.mode_switch.reset();
  if (next) manifest.mode_switch = record_of_next(manifest.mode, *std::move(next));
}

void ModeSwitch::make_active(Manifest& manifest) const {
  manifest.mode = target_.mode;
  end_switch(manifest);
  for (const auto& [name, text] : change_.texts) {
    // A value that is there already came from this start's flags, and stays known as such.
    if (manifest.settings[name].value != text) set_at_run_time(manifest.settings, name, text);
  }
  raise_config_version(manifest.settings);
}

PastGeneration ModeSwitch::take_everything(Manifest& manifest) const {
  PastGeneration past;
  past.mode = from_;
  past.moved = core_.clock.now();
  for (const SnapshotRecord& snapshot : manifest.snapshots) past.snapshots.push_back(snapshot.number);
  past.segments = std::move(manifest.segments);
  manifest.snapshots.clear();
  manifest.segments = {};
  manifest.used.clear();
  manifest.log_whole_from = 0;
  return past;
}

absl::Status ModeSwitch::open_new_log() {
  const absl::Status paused = core_.journal->pause();
  log_base_ = core_.journal->applied();
  const absl::Status opened =
      paused.ok() ? core_.journal->open_log({.first_number = first_segment_, .predecessor = {}, .promised = false})
                  : paused;
  log_opened_ = opened.ok();
  core_.journal->resume();
  return opened;
}

absl::Status ModeSwitch::into_log() {
  if (absl::Status opened = open_new_log(); !opened.ok()) return opened;
  const absl::Status dual =
      core_.keeper->update([](Manifest& manifest) { manifest.mode_switch->phase = SwitchPhase::kDual; });
  if (!dual.ok()) return dual;
  tell_(SwitchPhase::kDual);
  return snapshots_.take([this](Manifest& manifest, const SnapshotRecord& base, Retired& retired) {
    // The new log is what this switch opened; what was named before it is the old mode's.
    SegmentSet opened = manifest.segments;
    opened.drop_below(first_segment_);
    std::vector<SnapshotRecord> dumps = manifest.snapshots;
    manifest.segments.drop_from(first_segment_);
    if (target_.mode == Mode::kHybrid) manifest.snapshots.clear();  // They stay, as dumps to go back to by hand.
    PastGeneration past = take_everything(manifest);
    if (target_.mode == Mode::kHybrid) manifest.snapshots = std::move(dumps);
    manifest.snapshots.push_back(base);
    manifest.segments = std::move(opened);
    manifest.log_whole_from = log_base_;
    make_active(manifest);
    retired = apply_retention(manifest, target_, {});
    retire_to_past(manifest, std::move(past), target_, retired);
  });
}

absl::Status ModeSwitch::log_to_log() {
  if (target_.mode == Mode::kHybrid) {
    return snapshots_.take([this](Manifest& manifest, const SnapshotRecord& snapshot, Retired& retired) {
      manifest.snapshots.push_back(snapshot);
      make_active(manifest);
      retired = apply_retention(manifest, target_, core_.closed_segments());
    });
  }
  // The newest snapshot becomes the base as it is. Without any the log is whole from the beginning. What is not needed
  // then goes, so the log must be on disk before it.
  if (absl::Status synced = core_.journal->sync_through(core_.journal->applied()); !synced.ok()) return synced;
  Retired retired;
  const absl::Status named = core_.keeper->update([&](Manifest& manifest) {
    make_active(manifest);
    PastGeneration past;
    past.mode = from_;
    past.moved = core_.clock.now();
    while (manifest.snapshots.size() > 1) {
      past.snapshots.push_back(manifest.snapshots.front().number);
      manifest.snapshots.erase(manifest.snapshots.begin());
    }
    retired = apply_retention(manifest, target_, core_.closed_segments());
    retire_to_past(manifest, std::move(past), target_, retired);
  });
  if (named.ok()) core_.retire(retired);
  return named;
}

absl::Status ModeSwitch::close_log(LogClosing& closing) {
  std::vector<ClosedSegment> closed = core_.closed_segments();
  auto result = core_.journal->close_log();
  if (!result.ok()) return result.status();
  closing = *result;
  core_.raise_next_segment(closing.next_number);
  if (closing.end.number != 0) closed.push_back({closing.end.number, closing.end.last_revision, closing.end.used});
  core_.remember_closed(std::move(closed));
  return absl::OkStatus();
}

// The old mode goes on; on a full disk when it has space, as every write does, and until then writers are refused. What
// was prepared and not used gives its own back.
absl::Status ModeSwitch::open_when_there_is_space(const LogClosing& closing) {
  for (std::uint64_t number = closing.unused_first; number != 0 && number <= closing.unused_last; ++number) {
    core_.report_failed(shrink_unused(core_.fs, core_.directory->segment_path(number)));
  }
  std::uint64_t first = 0;
  const auto open = [&] {
    first = core_.next_segment();
    absl::Status opened =
        core_.journal->open_log({.first_number = first, .predecessor = closing.end, .promised = true});
    // What MANIFEST names of it by now was not begun: in front of the next attempt's it would end the log at a start.
    if (!opened.ok() && core_.unused_segments_from == 0) core_.unused_segments_from = first;
    return opened;
  };
  absl::Status opened = open();
  if (opened.ok() || !may_heal(opened)) return opened;
  core_.alarm(fmt::format("there is no space to open the log again: {}", message_of(opened)));
  core_.journal->refuse_writes(true);
  while (!opened.ok() && may_heal(opened) && !core_.wait_for_stop(kAskForSpaceAfter)) {
    remove_unnamed(closing.next_number, std::numeric_limits<std::uint64_t>::max());
    opened = open();
  }
  if (opened.ok()) remove_unnamed(closing.next_number, first);
  core_.journal->refuse_writes(false);
  return opened;
}

// What logs that did not open have left behind: numbers that were never named are free then, and attempts that a full
// disk fails do not fill it. From `first` on, below `end`.
void ModeSwitch::remove_unnamed(std::uint64_t first, std::uint64_t end) {
  const auto listing = core_.directory->list();
  if (!listing.ok()) return core_.report_failed(listing.status());
  const std::shared_ptr<const Manifest> manifest = core_.keeper->get();
  for (const std::uint64_t number : listing->segments) {
    if (number >= first && number < end && !manifest->segments.contains(number)) core_.remove_segments(number, number);
  }
}

void ModeSwitch::reopen_log(const LogClosing& closing, const absl::Status& why) {
  if (!core_.keeper->failure().ok()) return;  // Nothing is written any more.
  core_.unused_segments_from = closing.unused_first;
  if (!open_when_there_is_space(closing).ok()) return core_.journal->fail(why);
  if (closing.unused_last != 0) core_.remove_segments(closing.unused_first, closing.unused_last);
}

absl::Status ModeSwitch::log_to_snapshot() {
  if (absl::Status taken = snapshots_.take(); !taken.ok()) return taken;
  const Revision cut = core_.keeper->get()->snapshots.back().cut;

  Retired retired;
  LogClosing closing;
  absl::Status done = core_.journal->pause();
  if (done.ok()) done = close_log(closing);
  if (done.ok()) {
    const std::vector<ClosedSegment> closed = core_.closed_segments();
    done = core_.keeper->update([&](Manifest& manifest) {
      retired = {};
      // Acknowledged on disk after the cut: replayed until a later snapshot covers it.
      PastGeneration past;
      past.mode = from_;
      past.moved = core_.clock.now();
      SegmentSet kept;
      manifest.used.clear();
      for (const ClosedSegment& segment : closed) {
        if (!manifest.segments.contains(segment.number)) continue;
        (segment.last_revision > cut ? kept : past.segments).add(segment.number, segment.number);
        if (segment.last_revision > cut) manifest.used[segment.number] = segment.bytes;
      }
      manifest.segments = std::move(kept);
      make_active(manifest);
      retired = apply_retention(manifest, target_, closed);
      retire_to_past(manifest, std::move(past), target_, retired);
    });
    if (!done.ok()) reopen_log(closing, done);
  }
  core_.journal->resume();
  if (!done.ok()) return done;
  core_.retire(retired);
  if (closing.unused_last != 0) core_.remove_segments(closing.unused_first, closing.unused_last);
  return done;
}

absl::Status ModeSwitch::to_nothing() {
  if (snapshot_first_) {
    if (absl::Status taken = snapshots_.take(); !taken.ok()) return taken;
  }
  Retired retired;
  LogClosing closing;
  absl::Status done = core_.journal->pause();
  if (done.ok() && has_log(from_)) done = close_log(closing);
  if (done.ok()) {
    done = core_.keeper->update([&](Manifest& manifest) {
      retired = {};
      if (closing.unused_last != 0) manifest.segments.drop_from(closing.unused_first);
      PastGeneration past = take_everything(manifest);
      make_active(manifest);
      retire_to_past(manifest, std::move(past), target_, retired);
    });
    if (!done.ok() && has_log(from_)) reopen_log(closing, done);
  }
  core_.journal->resume();
  if (!done.ok()) return done;
  core_.retire(retired);
  if (closing.unused_last != 0) core_.remove_segments(closing.unused_first, closing.unused_last);
  return done;
}

absl::Status ModeSwitch::nothing_to_snapshot() {
  return snapshots_.take([this](Manifest& manifest, const SnapshotRecord& snapshot, Retired& retired) {
    manifest.snapshots.push_back(snapshot);
    make_active(manifest);
    retired = apply_retention(manifest, target_, core_.closed_segments());
  });
}

void ModeSwitch::give_up(const absl::Status& why) {
  core_.alarm(fmt::format("the switch from {} to {} failed, {} stays in force: {}", word(from_), word(target_.mode),
                          word(from_), message_of(why)));
  std::uint64_t beyond = core_.next_segment();
  if (first_segment_ != 0) {
    const absl::Status paused = core_.journal->pause();
    const auto closed = paused.ok() ? core_.journal->close_log() : absl::StatusOr<LogClosing>(paused);
    if (closed.ok()) beyond = std::max(beyond, closed->next_number);
    core_.journal->resume();
    if (!closed.ok()) return tell_(SwitchPhase::kFailed);  // So has the journal; the next start undoes the switch.
    // A log that did not open may have left files of any number behind.
    const auto listing = core_.directory->list();
    if (listing.ok() && !listing->segments.empty()) beyond = std::max(beyond, *listing->segments.rbegin() + 1);
    core_.raise_next_segment(beyond);
    core_.journal->forget_segments(beyond);
    log_opened_ = false;
  }
  const absl::Status named = core_.keeper->update([&](Manifest& manifest) {
    if (manifest.mode_switch && manifest.mode_switch->next) {
      end_switch(manifest);
    } else if (manifest.mode_switch) {
      manifest.mode_switch->phase = SwitchPhase::kFailed;
    }
    if (first_segment_ != 0) manifest.segments.drop_from(first_segment_);
    manifest.next_segment = std::max(manifest.next_segment, beyond);
  });
  if (named.ok() && first_segment_ != 0) core_.remove_segments(first_segment_, beyond - 1);
  tell_(SwitchPhase::kFailed);
}

}  // namespace kv
