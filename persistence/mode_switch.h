// Carries out one switch from the present mode to another: all twelve pairs.
//
// Hard part: at every instant one of the two modes keeps its promise whole. MANIFEST says ACCEPTED before anything else
// happens; the one write that names the new mode is the moment of the switch; before it every failure puts the old mode
// back, after it nothing can fail that matters. Files of the old mode leave their place only after that write.
//
//   no log -> log        open a log that promises nothing; a base snapshot behind it; both in one MANIFEST; promise
//   log -> other log     a snapshot if the new mode needs one; one MANIFEST
//   log -> SNAPSHOT      a snapshot; writers wait; seal the log; one MANIFEST that keeps the segments above the cut
//   any -> nothing       writers wait; seal the log; one MANIFEST
//   nothing -> SNAPSHOT  the first snapshot's MANIFEST is the switch
//
// Threads:  run() on the job thread.
// Errors:   not OK: the old mode is in force and MANIFEST says FAILED; or the journal has failed, which is its own
//           alarm, and what MANIFEST says is in force: the new mode, where only the last sync was missing.
//           While stopping nothing is given up: the switch goes on at the next start.
// Source:   docs/durability.md, "Switching modes".
#pragma once

#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "persistence/snapshot_publisher.h"
#include "persistence/storage_core.h"
#include "persistence/switch_phase.h"

namespace kv {

// A change as it was asked for; `id` tells it from others in this process.
struct AcceptedChange {
  SettingTexts texts;
  std::uint64_t id = 0;
};

// What MANIFEST says of a change that is accepted and has not begun: a start goes on with it.
SwitchRecord record_of_next(Mode in_force, AcceptedChange change);
void set_next(SwitchRecord& record, std::optional<AcceptedChange> next);
std::optional<AcceptedChange> take_next(SwitchRecord& record);

class ModeSwitch {
 public:
  using TellPhase = std::function<void(SwitchPhase)>;
  // What has been accepted behind this one meanwhile.
  using Next = std::function<std::optional<AcceptedChange>()>;

  // `target` are all settings as they shall be; `change` is what was asked for. `snapshot_first`: on the way
  // to NON_PERSISTENT. It is not recorded: a start that goes on with the switch has just loaded all there is from
  // files, and these are what it leaves in the past. `next` is asked once, inside the update of MANIFEST.
  ModeSwitch(StorageCore& core, SnapshotPublisher& snapshots, Settings target, AcceptedChange change,
             bool snapshot_first, TellPhase tell, Next next);

  absl::Status run();

 private:
  absl::Status carry_out();
  absl::Status sync_what_was_answered();
  absl::Status into_log();
  absl::Status open_new_log();
  absl::Status log_to_log();
  absl::Status log_to_snapshot();
  absl::Status to_nothing();
  absl::Status nothing_to_snapshot();

  // The edit that makes the new mode the one in force.
  void make_active(Manifest& manifest) const;
  void end_switch(Manifest& manifest) const;
  // All segments and snapshots that `manifest` names, dropped from it.
  PastGeneration take_everything(Manifest& manifest) const;
  void give_up(const absl::Status& why);
  absl::Status close_log(LogClosing& closing);
  absl::Status open_when_there_is_space(const LogClosing& closing);
  void remove_unnamed(std::uint64_t first, std::uint64_t end);
  void reopen_log(const LogClosing& closing, const absl::Status& why);

  StorageCore& core_;
  SnapshotPublisher& snapshots_;
  const Settings target_;
  const AcceptedChange change_;
  const bool snapshot_first_;
  const TellPhase tell_;
  const Next next_;
  const Mode from_;
  std::uint64_t first_segment_ = 0;  // of the log that this switch opens
  Revision log_base_ = 0;            // every later change is in that log
  bool log_opened_ = false;
};

}  // namespace kv
