// Loads a snapshot into the store, on several threads.
//
// Hard part: all or nothing. The file is read twice: first every byte is proved and every entry decoded, and only when
// all of it is good does the second pass put entries into the store. The second pass checks again, because the disk may
// answer differently; the page cache makes it cheap.
//
// Threads:  load_snapshot() blocks, and belongs to one thread; `progress` is called from several.
// Errors:   those of SnapshotFile; MEMORY_LIMIT when memory runs out. After any error the store is empty, as it was.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "persistence/snapshot_file.h"
#include "store/store.h"

namespace kv {

// Every byte of the file counts once per pass.
inline constexpr std::uint64_t kSnapshotLoadPasses = 2;

struct SnapshotLoadOptions {
  unsigned threads = 1;
  std::function<void(std::uint64_t bytes_more)> progress;  // may be empty
};

// `store` must be empty. Nobody else uses it meanwhile.
absl::StatusOr<SnapshotInfo> load_snapshot(FileSystem& fs, const std::string& path, const SnapshotExpected& expected,
                                           Store& store, const SnapshotLoadOptions& options);

// The first pass alone: the whole file proved, nothing loaded.
absl::StatusOr<SnapshotInfo> verify_snapshot(FileSystem& fs, const std::string& path, const SnapshotExpected& expected,
                                             const SnapshotLoadOptions& options);

}  // namespace kv
