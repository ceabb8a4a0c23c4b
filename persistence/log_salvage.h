// What can be used of a log that is damaged, by a start that has been told to go on without the rest.
//
// Hard part: the state must stay the exact state at one revision. So the log is used up to the damage and not a record
// further; or, when the damage lies below the snapshot's cut, from a later segment on that begins at or below the cut,
// because what lies in between is in the snapshot. A hole above the cut ends it.
//
// Threads: the calling thread only.
// Errors:  damage is part of the result; a status is anything else.
// Source:  docs/durability.md, "Going on without what is damaged".
#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "persistence/log_replay.h"
#include "persistence/set_aside.h"

namespace kv {

struct LogRemains {
  LogReplay replay;                 // what counts; no segments: nothing does
  std::vector<absl::Status> found;  // each damage, in the order found
  // Segments of which nothing counts any more, and the one that was cut: every file but those that are missing or were
  // prepared and never written to.
  std::vector<SetAside> set_aside;
  Revision known_revision = 0;  // the highest that surely was in the log
};

struct SalvageOrder {
  const std::string& directory;  // where the segments lie
  const StoreId& store_id;
  std::span<const NamedSegment> segments;
  Revision cut = 0;     // of the snapshot that is loaded: records up to here are not needed
  bool joined = false;  // the first segment surely continues the snapshot
};

// `visit` is called for records of what counts, and perhaps for such up to the cut of what does not.
absl::StatusOr<LogRemains> salvage_log(FileSystem& fs, const SalvageOrder& order, const RecordVisitor& visit);

}  // namespace kv
