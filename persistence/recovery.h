// Loads the store from a data directory, by what MANIFEST says.
//
// Hard part: nothing is believed half and nothing is changed half. Everything is read and proved first; then the tail
// of the log is made safe by new files alone; the caller then writes one MANIFEST (`manifest` below), and only with
// that write the past is different. A crash before it costs nothing.
//
// Threads:  the calling thread, plus the loader's own.
// Errors:   CHECKSUM with the facts "file" and "offset" for damaged, missing or foreign files; the store is empty then.
// Source:   docs/durability.md, "Start".
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
#include "store/store.h"

namespace kv {

struct RecoveryReport {
  std::chrono::milliseconds duration{0};
  std::uint64_t keys_loaded = 0;
  std::uint64_t records_replayed = 0;
  Revision revision = 0;
  std::uint64_t tail_bytes_discarded = 0;
  std::vector<std::string> files_loaded;
  std::vector<std::string> files_skipped;  // with the reason
  std::vector<std::string> strangers;      // found in the directory, not ours, left alone
  bool clean_shutdown = false;
  bool fresh = false;  // the directory was empty
};

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
  std::vector<std::string> damaged;  // snapshots that were skipped: to be set aside once `manifest` is durable
  RecoveryReport report;             // without strangers and duration
};

// `manifest` is the one on disk, `listing` what lies in the directory. The store is empty.
absl::StatusOr<Recovered> recover(const RecoveryContext& context, const Manifest& manifest,
                                  const DirectoryListing& listing);

}  // namespace kv
