// What is kept once a snapshot is published, and what goes: pure decisions on a MANIFEST, no file is touched here.
//
//   SNAPSHOT  the newest max-snapshots; sealed segments of a former log until a snapshot covers them.
//   HYBRID    the newest max-snapshots, at least two; the log from the hybrid-log-from-th newest snapshot that is tied
//             to the log, and all of it while there are fewer.
//   AOF       the newest snapshot, which is the log's base, and the log from its cut.
//
// Threads: free functions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "persistence/log_position.h"
#include "persistence/manifest.h"
#include "persistence/settings.h"

namespace kv {

// What MANIFEST does not name any more. Files are touched only when the MANIFEST that says so is durable; what a crash
// leaves is done at the next start.
struct Retired {
  std::vector<std::uint64_t> snapshots;       // to remove
  std::vector<std::uint64_t> segments;        // to remove
  std::optional<PastGeneration> to_past;      // to move
  std::vector<std::uint64_t> forgotten_past;  // folders to remove
};

// Edits `manifest`, whose newest snapshot was just added. `closed` are the log's closed segments, oldest first.
Retired apply_retention(Manifest& manifest, const Settings& settings, const std::vector<ClosedSegment>& closed);

// How many snapshots a crash could fall back on: those from whose cut the log is whole.
std::uint32_t tied_snapshots(const Manifest& manifest);

// Whether the log has outgrown its newest snapshot, so that a new one is due by size.
bool outgrown(const Settings& settings, std::uint64_t log_bytes_since, std::uint64_t snapshot_bytes);

// For files of a former mode that `manifest` is about to drop: a new folder under past/ that holds them, and forgets
// the oldest folders beyond settings.keep_past_generations. When no past is kept they are to be removed.
void retire_to_past(Manifest& manifest, PastGeneration past, const Settings& settings, Retired& retired);

}  // namespace kv
