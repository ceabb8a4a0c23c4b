// Loads a snapshot into the store, on several threads.
//
// Hard part: all or nothing. Entries go into the store as they are read, each from a block whose checksum is right and
// after its own fields were looked at; nobody is shown one meanwhile, though the store's figures may be, and whatever
// is found wrong, be it in the last block or in the sums of the footer, empties it again. The file is read once. Of
// several faults the first one in the file is reported, whichever thread was sooner.
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

struct SnapshotLoadOptions {
  unsigned threads = 1;
  std::function<void(std::uint64_t bytes_more)> progress;  // every byte once; may be empty
};

// `store` must be empty. Nobody else uses it meanwhile.
absl::StatusOr<SnapshotInfo> load_snapshot(FileSystem& fs, const std::string& path, const SnapshotExpected& expected,
                                           Store& store, const SnapshotLoadOptions& options);

}  // namespace kv
