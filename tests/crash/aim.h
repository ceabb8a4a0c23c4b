// When to kill: eyes on the data directory for the moments that are hardest on a log, and the evidence afterwards
// that one of them was hit.
//
// A snapshot runs while its temporary lies in snapshots/; a killed server leaves it there. A rotation has happened when
// the start block of the next segment is filled in; it holds the time. A large write has begun when the header of the
// next batch can be read back: the rest of it is then still on its way into the page cache.
//
// Threads: one. Errors: std::runtime_error when the directory cannot be watched. Source: docs/formats/.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "persistence/format/log_format.h"

namespace kv::crash {

// Sees temporaries appear in DATA/snapshots, or complete snapshots get their names (before MANIFEST names them).
class SnapshotWatch {
 public:
  enum class For { kBegin, kName };
  SnapshotWatch(const std::string& data_directory, For what);
  ~SnapshotWatch();
  SnapshotWatch(const SnapshotWatch&) = delete;
  SnapshotWatch& operator=(const SnapshotWatch&) = delete;

  // Waits for the next one since the call before, or since this watch was made; false when none came.
  bool wait_for_next(std::chrono::milliseconds bound);

 private:
  int inotify_ = -1;
};

bool snapshot_in_progress(const std::string& data_directory);

// Follows which segment is the newest that was written to.
class RotationWatch {
 public:
  explicit RotationWatch(const std::string& data_directory) : directory_(data_directory + "/aof") {}

  // Waits for the next rotation; false when none came.
  bool wait_for_next(std::chrono::milliseconds bound);

 private:
  std::string directory_;
};

// Waits until the server is in the middle of writing a batch of at least `payload_bytes`; false when it was not.
bool wait_for_large_write(const std::string& data_directory, std::uint32_t payload_bytes,
                          std::chrono::milliseconds bound);

// When the newest segment was started, by the server's clock in milliseconds since 1970.
std::optional<std::int64_t> last_rotation(const std::string& data_directory);

}  // namespace kv::crash
