// The place where an import goes on, and the file that keeps it.
//
// Hard part: a file that was replaced under its name. What lies before the place in the new one was never imported, and
// would be passed over without a word. So the place has a checksum of everything before it, and is one of that file
// only whose beginning has it, too; what comes behind may be changed.
//
// Threads: free functions.
// Errors:  INVALID_ARGUMENT, with the path, for what cannot be read or written, or is no such state.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "core/checksum.h"

namespace kv {

struct ImportPlace {
  std::uint64_t offset = 0;
  std::uint64_t checksum = Checksum64Stream(kImportSeed).value();  // of all bytes before it

  static constexpr std::uint64_t kImportSeed = 0x7472'6f70'6d69;
};

// The place that a state file keeps for the file of this name; the beginning when there is no state file.
absl::StatusOr<ImportPlace> load_import_state(const std::string& state_path, const std::string& file);
absl::Status save_import_state(const std::string& state_path, const std::string& file, const ImportPlace& place);

// The checksum of the next `bytes` bytes of the descriptor, which then stands behind them. `name` is for the error.
absl::StatusOr<Checksum64Stream> checksum_beginning(int descriptor, std::uint64_t bytes, const std::string& name);

}  // namespace kv
