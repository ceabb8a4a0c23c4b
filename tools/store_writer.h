// A new data directory with one snapshot in it and no log: what repair and import-original make, and what a server of
// any mode starts on.
//
// Hard part: it is made beside NEW and renamed at the end, so that a half-made directory is never taken for a store.
//
// Threads: one. Errors: ALREADY_EXISTS when NEW is there; the disk's errors. What was begun is removed as far as
// possible.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "core/progress.h"
#include "tools/manifest_page.h"
#include "tools/state.h"

namespace kv::tools {

// NEW must not be there, and its parent must.
absl::Status check_target(FileSystem& fs, const std::string& to);

// `page` gives store id, mode, settings, clock and ceiling; its snapshots, segments and numbers are made here. The
// state keeps its values. In NON_PERSISTENT, which has no files, only MANIFEST is written.
absl::Status write_store(FileSystem& fs, const std::string& to, ManifestPage page, Revision cut, const State& state,
                         Progress& progress);

StoreId random_store_id();

}  // namespace kv::tools
