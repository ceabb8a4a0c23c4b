// Which step a snapshot failed at: what the metric counts by and the log names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kv {

enum class SnapshotFault : std::uint8_t {
  kNone,
  kPrepare,   // the temporary file or the pipe could not be made
  kFork,      // the system refused the fork
  kSilence,   // the child gave no sign of life for too long and was killed
  kChild,     // the child could not write, was killed by somebody else, or could not be watched
  kMismatch,  // what it wrote is not what was counted under the locks, or its footer does not read back
  kPublish,   // the log could not be synced through the cut, or rename, directory or MANIFEST failed
};
inline constexpr std::size_t kSnapshotFaults = 7;

constexpr std::string_view word(SnapshotFault fault) noexcept {
  switch (fault) {
    case SnapshotFault::kNone:
      return "none";
    case SnapshotFault::kPrepare:
      return "prepare";
    case SnapshotFault::kFork:
      return "fork";
    case SnapshotFault::kSilence:
      return "watchdog";
    case SnapshotFault::kChild:
      return "child";
    case SnapshotFault::kMismatch:
      return "mismatch";
    case SnapshotFault::kPublish:
      return "publish";
  }
  return "none";
}

}  // namespace kv
