// The place where an import goes on, and the file that keeps it.
//
// Hard part: a file that was replaced under its name. What lies before the place in the new one was never imported, and
// would be passed over without a word. So the place has a checksum of everything before it, and is one of that file
// only whose beginning has it, too; what comes behind may be changed.
// And a server that forgets: lines that it confirmed in its memory only may be gone when it was started anew, and a
// place behind them would leave them out. So the state has the lowest level that lines were confirmed with, and which
// start of which server it was.
//
// Threads: free functions.
// Errors:  INVALID_ARGUMENT, with the path, for what cannot be read or written, or is no such state.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "core/checksum.h"
#include "kvstore/v1/types.pb.h"

namespace kv {

struct ImportPlace {
  std::uint64_t offset = 0;
  std::uint64_t checksum = Checksum64Stream(kImportSeed).value();  // of all bytes before it

  static constexpr std::uint64_t kImportSeed = 0x7472'6f70'6d69;
};

// Both empty: it could not be seen.
struct ServerStart {
  std::string instance;  // of its data
  std::string time;
};

struct ImportState {
  ImportPlace place = {};
  // The lowest that a line before the place was confirmed with.
  kvstore::v1::Durability level = kvstore::v1::DURABILITY_DISK;
  ServerStart server = {};  // When the first of them was begun.
};

// Lines that were confirmed with it may be gone when the server was started anew.
constexpr bool in_memory_only(kvstore::v1::Durability level) { return level < kvstore::v1::DURABILITY_OS; }
// Whether it may be another start; what cannot be seen may be.
bool started_anew(const ServerStart& then, const ServerStart& now);
// Why the lines before the place of a state may not be in the server that is there now; empty: they are.
std::string why_lines_may_be_missing(const ImportState& state, const ServerStart& now);

// What a state file keeps for the file of this name; the beginning when there is no state file. One that does not say
// the level or the server, as those of earlier versions, has lines in memory only.
absl::StatusOr<ImportState> load_import_state(const std::string& state_path, const std::string& file);
absl::Status save_import_state(const std::string& state_path, const std::string& file, const ImportState& state);

// The checksum of the next `bytes` bytes of the descriptor, which then stands behind them. `name` is for the error.
absl::StatusOr<Checksum64Stream> checksum_beginning(int descriptor, std::uint64_t bytes, const std::string& name);

}  // namespace kv
