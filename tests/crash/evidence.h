// What a crash left, as the server's files and its next start tell it.
//
// Threads: one. Errors: std::runtime_error when a file or log is not what it must be.
#pragma once

#include <cstdint>
#include <string>

namespace kv::crash {

// What the recovery that a server's log tells of says.
struct RecoveryLine {
  std::uint64_t revision = 0;
  std::uint64_t torn_bytes = 0;
};
RecoveryLine recovery_in(const std::string& log);

// The cut of the newest snapshot that MANIFEST names; 0 when there is none.
std::uint64_t published_cut(const std::string& data_directory);

}  // namespace kv::crash
