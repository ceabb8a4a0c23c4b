// Persistence as the server sees it: opens a data directory, loads the store from it, and from then on keeps the
// promise of the current mode until stop().
//
// Owns the directory's lock, MANIFEST, the journal, the snapshotter and the threads under them. Nothing else writes
// below the data directory.
//
// Threads:  open() and stop() block and belong to one thread that is no reactor; the rest from any thread.
// Lifetime: the store, clock and file system outlive it; all tickets and waiters are gone before it.
// Errors:   open() fails closed: data that is unreadable, foreign or damaged is an error and never an empty start.
//           Its status carries the fact "exit" with the process's exit code: 1, 2, 3 (damaged) or 4 (in use). Damage is
//           also reported in DATA/RECOVERY, with the token that would go on without it when there is a state to go on
//           with.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/clock.h"
#include "core/file_system.h"
#include "persistence/journal.h"
#include "persistence/recovery.h"
#include "persistence/settings.h"
#include "persistence/settings_change.h"
#include "persistence/settings_resolution.h"
#include "persistence/snapshot_fault.h"
#include "persistence/switch_phase.h"
#include "store/store.h"

namespace kv {

struct StorageStatus {
  Settings settings;                       // of the mode whose promise holds now
  SwitchPhase phase = SwitchPhase::kNone;  // of the last switch; kNone: none since the start
  Mode switching_from = Mode::kHybrid;
  Mode switching_to = Mode::kHybrid;
  Revision switch_base = 0;              // cut of the snapshot that the new mode begins with, once there is one
  double switch_progress = 0;            // from 0 to 1: of the snapshot that it waits for
  std::string switch_failure;            // kFailed: why
  Watermarks watermarks;                 // what is in a snapshot counts as on disk
  Revision snapshot_revision = 0;        // cut of the newest since the start; never goes back
  std::uint32_t fallback_snapshots = 0;  // HYBRID: how many snapshots the log continues; below two there is no fallback
  bool accepting_writes = true;
  bool promise_kept = true;  // false: a failed sync, a disk that hangs, or changes in no snapshot for two intervals
  std::uint64_t snapshots_taken = 0;
  std::uint64_t snapshots_failed = 0;                              // the sum of the next
  std::array<std::uint64_t, kSnapshotFaults> snapshot_failures{};  // by SnapshotFault
  std::chrono::milliseconds last_snapshot_duration{0};
  std::chrono::microseconds last_snapshot_pause{0};           // of the writers, at the last fork
  std::optional<std::uint64_t> last_snapshot_copied_bytes{};  // by copy-on-write, when the system says so
  UnixMillis last_snapshot_time = 0;
  std::uint64_t huge_pages_whole = 0;  // of the data heap, when they were last mended after a snapshot
  std::uint64_t huge_pages_split = 0;  // those that could not be
  std::uint64_t log_bytes = 0;
  std::uint64_t log_queued_bytes = 0;  // that wait to be written
  std::uint64_t fsyncs = 0;
  std::uint64_t batches = 0;
  std::chrono::nanoseconds log_disk_silence{0};  // how long the disk has owed the log an answer; 0: it owes none
  // Stable words: disk_failed, disk_full, disk_stalled, snapshot_failed, snapshot_overdue.
  std::vector<std::string> alarms;
};

// What is in force at one moment, all of it from one MANIFEST.
struct SettingsInForce {
  Settings settings;
  std::uint64_t version = 0;                     // counts the changes, over restarts too
  std::map<std::string, SettingOrigin> origins;  // by flag name
};

// A snapshot that MANIFEST names.
struct StoredSnapshot {
  SnapshotRecord record;
  std::string name;       // of its file
  bool verified = false;  // since this start: compared with the store when it was written, or loaded
};

// Bytes of log that a start would read.
struct LogRewrite {
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
};

struct StorageOptions {
  std::string directory;
  StartupSettings startup;
  SettingsRule settings_rule = SettingsRule::kLatest;
  // The token of a recovery report: the start goes on without exactly what that report lists. Empty: none.
  std::string accept_data_loss;
  // Changes that were accepted before and not carried out stay so.
  bool only_recover = false;
  unsigned load_threads = 2;
  std::uint32_t record_bytes_max = kRecordBytesMax;  // of one write; every segment is allocated to hold one
  std::chrono::milliseconds stop_timeout{0};         // a snapshot that takes longer is worth a warning; 0: none is
  // Called for events worth a log line, from internal threads. Never null.
  std::function<void(int severity, const std::string& text)> log;  // severity: 0 info, 1 warning, 2 error
  // Told the settings in force: once while opening, and with every change before it is answered, on whatever thread
  // makes it. May be empty.
  std::function<void(const Settings&)> on_settings = {};
  // Called once, when the directory is ours alone and before anything in it is read or written: an error of it is
  // open()'s. May be empty.
  std::function<absl::Status()> when_locked = {};
  // The recovery report as text, that of a start which is refused included; once, from open(). May be empty.
  std::function<void(const std::string& text)> on_report;
  // What JournalOptions calls them for. May be empty.
  std::function<void(std::chrono::nanoseconds)> on_sync = {};
  std::function<void(std::uint32_t records)> on_batch = {};
  // Called at most once, from an internal thread, when a failed sync has ended all writing. May be empty.
  std::function<void()> on_disk_failure = {};
};

class Storage {
 public:
  static absl::StatusOr<std::unique_ptr<Storage>> open(FileSystem& fs, Clock& clock, Store& store,
                                                       StorageOptions options, LoadProgress& progress);
  virtual ~Storage() = default;

  virtual Journal& journal() noexcept = 0;
  virtual const RecoveryReport& recovery() const noexcept = 0;
  virtual const std::vector<SettingDecision>& decisions() const noexcept = 0;
  virtual StorageStatus status() const = 0;
  // Memory that the running snapshot has taken by copy-on-write, 0 when none runs. The kernel counts the pages of a
  // process for it: some milliseconds a GiB.
  virtual std::uint64_t snapshot_memory_bytes() const = 0;
  virtual SettingsInForce settings_in_force() const = 0;
  // Of this directory; another one after a restore.
  virtual std::string instance_id() const = 0;
  // Oldest first.
  virtual std::vector<StoredSnapshot> snapshots() const = 0;

  // Records the change and carries it out; `done` is called exactly once, on an internal thread: with OK when the
  // new mode's promise holds, else with why the old one still does. OUTCOME_UNKNOWN: it ended in an error, and MANIFEST
  // may name it all the same; the next start carries out what it finds. No other error comes while that may be so. A
  // change that arrives during another is recorded as the next one; a later one replaces it, and the replaced one's
  // `done` gets ABORTED when that is on record. The same change is idempotent.
  virtual void change_settings(SettingsChange change, ChangeOptions options,
                               std::function<void(absl::Status)> done) = 0;
  void change_settings(SettingsChange change, std::function<void(absl::Status)> done) {
    change_settings(change, ChangeOptions(), std::move(done));
  }
  // Takes a snapshot now (SIGUSR1), and says which; in AOF this is a new base. `done` as above. Errors:
  // DURABILITY_UNAVAILABLE in NON_PERSISTENT, WRITES_SUSPENDED after a failed sync, TRANSITION_IN_PROGRESS when a
  // switch of modes ended it. Nobody needs to be told: `done` may be empty, here and below.
  virtual void snapshot_now(std::function<void(absl::StatusOr<StoredSnapshot>)> done) = 0;
  // The same snapshot, and what it did to the log: closed segments that it makes superfluous go, the one that is being
  // written stays. DURABILITY_UNAVAILABLE in a mode without a log.
  virtual void rewrite_log(std::function<void(absl::StatusOr<LogRewrite>)> done) = 0;

  // The clean stop: no tickets may be asked for any more. Syncs and seals the log, takes the final snapshot in SNAPSHOT
  // mode, marks MANIFEST clean, unlocks. OK only if all of that worked; else says what was not saved.
  virtual absl::Status stop() = 0;
};

}  // namespace kv
