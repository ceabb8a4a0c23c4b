#include "persistence/retention.h"

#include <algorithm>

namespace kv {
namespace {

std::size_t snapshots_kept(const Manifest& manifest, const Settings& settings) {
  switch (manifest.mode) {
    case Mode::kAof:
      return 1;
    case Mode::kHybrid:
      return std::max<std::size_t>(settings.max_snapshots, 2);
    case Mode::kSnapshot:
    case Mode::kNonPersistent:
      break;
  }
  return settings.max_snapshots;
}

// The cut up to which the log is not needed any more; 0 when all of it is.
Revision log_needed_above(const Manifest& manifest, const Settings& settings) {
  const std::vector<SnapshotRecord>& snapshots = manifest.snapshots;
  if (snapshots.empty()) return 0;
  if (manifest.mode != Mode::kHybrid) return snapshots.back().cut;
  // Keeping the log from a snapshot that is not kept itself would serve nobody.
  const std::size_t from = std::min<std::size_t>(settings.hybrid_log_from, snapshots_kept(manifest, settings));
  if (tied_snapshots(manifest) < from) return 0;
  return snapshots[snapshots.size() - from].cut;
}

}  // namespace

std::uint32_t tied_snapshots(const Manifest& manifest) {
  return static_cast<std::uint32_t>(
      std::count_if(manifest.snapshots.begin(), manifest.snapshots.end(),
                    [&](const SnapshotRecord& snapshot) { return snapshot.cut >= manifest.log_whole_from; }));
}

bool outgrown(const Settings& settings, std::uint64_t log_bytes_since, std::uint64_t snapshot_bytes) {
  if (log_bytes_since <= settings.log_rewrite_min_bytes) return false;
  return log_bytes_since / settings.log_rewrite_growth_percent > snapshot_bytes / 100;
}

Retired apply_retention(Manifest& manifest, const Settings& settings, const std::vector<ClosedSegment>& closed) {
  Retired dropped;
  const std::size_t kept = snapshots_kept(manifest, settings);
  while (manifest.snapshots.size() > kept) {
    dropped.snapshots.push_back(manifest.snapshots.front().number);
    manifest.snapshots.erase(manifest.snapshots.begin());
  }
  const Revision needed_above = log_needed_above(manifest, settings);
  for (const ClosedSegment& segment : closed) {
    if (segment.last_revision > needed_above) break;
    if (!manifest.segments.contains(segment.number)) continue;
    dropped.segments.push_back(segment.number);
    manifest.segments.drop_below(segment.number + 1);
    manifest.used.erase(segment.number);
    manifest.log_whole_from = std::max(manifest.log_whole_from, segment.last_revision);
  }
  return dropped;
}

void retire_to_past(Manifest& manifest, PastGeneration past, const Settings& settings, Retired& retired) {
  const bool empty = past.snapshots.empty() && past.segments.empty();
  if (!empty && settings.keep_past_generations == 0) {
    retired.snapshots.insert(retired.snapshots.end(), past.snapshots.begin(), past.snapshots.end());
    const std::vector<std::uint64_t> segments = past.segments.numbers();
    retired.segments.insert(retired.segments.end(), segments.begin(), segments.end());
  } else if (!empty) {
    const std::uint64_t newest = manifest.past.empty() ? 0 : manifest.past.back().number;
    past.number = std::max(past.number, newest + 1);
    manifest.past.push_back(past);
    retired.to_past = std::move(past);
  }
  while (manifest.past.size() > settings.keep_past_generations) {
    retired.forgotten_past.push_back(manifest.past.front().number);
    manifest.past.erase(manifest.past.begin());
  }
}

}  // namespace kv
