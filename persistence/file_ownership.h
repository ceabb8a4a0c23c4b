// Whose a data file is, by what its header says.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "persistence/format/store_id.h"

namespace kv {

// For a segment or snapshot by name, temporaries included: true when its header carries `store_id`, or was never
// written (all zeros, or cut short: what a crash leaves of a file that nothing names yet). A header that cannot be
// read as ours is somebody else's.
absl::StatusOr<bool> belongs_to(FileSystem& fs, const std::string& path, const StoreId& store_id);

}  // namespace kv
