// What can still be read of a damaged directory, and exactly what cannot.
//
// Hard part: nothing is guessed. A record or a block counts when its checksum is right, wherever it stands; what lies
// between is lost and listed with its bytes and, where its neighbours tell, its revisions. Keys that a damaged record
// seems to name are listed as such and not used.
//
// Two ways: keep every good record behind the damage as well (a state with holes, listed), or stop at the first damage
// (the exact state at one revision; every later record is listed as lost).
//
// Threads: one. Errors: the disk's; damage is in the result.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/progress.h"
#include "tools/directory_page.h"
#include "tools/state.h"

namespace kv::tools {

struct Loss {
  std::string file;  // below the directory
  std::uint64_t from = 0, to = 0;
  std::string what;
  Revision first_revision = 0, last_revision = 0;  // 0: none, or not known
  std::vector<std::string> keys;                   // of readable records that were left out
  std::vector<std::string> perhaps;                // named by bytes that no checksum vouches for
};

struct Salvage {
  ManifestPage page;  // store id, mode, settings
  State state{State::Values::kKept};
  Revision revision = 0;
  std::vector<Loss> losses;
  std::vector<std::string> stale_keys;  // taken from an older snapshot because the newer one's block is lost
  std::vector<std::string> notes;
};

struct SalvageOptions {
  bool stop_at_damage = false;
};

absl::StatusOr<Salvage> salvage(FileSystem& fs, const DirectoryPage& directory, const SalvageOptions& options,
                                Progress& progress);

}  // namespace kv::tools
