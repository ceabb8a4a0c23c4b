// Loads the store from a data directory, by what MANIFEST says.
//
// Hard part: nothing is believed half and nothing is changed half. Everything is read and proved first; then the tail
// of the log is made safe by new files alone; the caller then writes one MANIFEST (`manifest` below), and only with
// that write the past is different. A crash before it costs nothing.
//
// Threads:  the calling thread, plus the loader's own.
// Errors:   is_damage(), with the facts "file" and "offset", for damaged, missing, foreign and unreadable files; the
//           store is empty then.
// Source:   docs/durability.md, "Start" and "Going on without what is damaged".
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/clock.h"
#include "core/file_system.h"
#include "persistence/data_directory.h"
#include "persistence/log_position.h"
#include "persistence/manifest.h"
#include "persistence/recovery_report.h"
#include "store/store.h"

namespace kv {

// Read by others while loading runs.
struct LoadProgress {
  std::atomic<std::uint64_t> bytes_done{0};
  std::atomic<std::uint64_t> bytes_total{0};
  double fraction() const noexcept;
};

struct RecoveryContext {
  FileSystem& fs;
  Clock& clock;
  Store& store;
  const DataDirectory& directory;
  unsigned load_threads = 1;
  LoadProgress& progress;
  const std::function<void(int severity, const std::string& text)>& log;
};

struct Recovered {
  // What MANIFEST must say, durably, before anything else happens: the safe tail, no damaged snapshot, no log of an
  // unfinished switch, numbers above every file in the directory.
  Manifest manifest;
  Revision revision = 0;              // of the state that was loaded
  UnixMillis clock = 0;               // the highest value seen
  SegmentEnd log_end;                 // predecessor of the next segment; number 0: no log
  std::vector<ClosedSegment> closed;  // the segments that `manifest` names, oldest first
  std::uint64_t records_above_snapshot = 0;
  std::vector<SetAside> set_aside;  // to be put under other names once `manifest` is durable
  RecoveryReport report;            // without strangers and duration
};

// `manifest` is the one on disk, `listing` what lies in the directory. The store is empty.
absl::StatusOr<Recovered> recover(const RecoveryContext& context, const Manifest& manifest,
                                  const DirectoryListing& listing);

// Asked once, when all that can be had without what is damaged is in the store, and before a file is made: OK goes on.
using Consent = std::function<absl::Status(const DataLoss&)>;

// The same for a directory that recover() refuses as damaged: goes on without what is lost, if `consent` agrees. Its
// error is returned when it does not; when there is no state to go on with it is not asked, and damage is returned.
absl::StatusOr<Recovered> recover_past_damage(const RecoveryContext& context, const Manifest& manifest,
                                              const DirectoryListing& listing, const Consent& consent);

}  // namespace kv
