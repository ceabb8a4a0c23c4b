// What a crash left, as the files, the offline checker and the next start tell it; and whether they tell the same.
//
// Threads: one. Errors: std::runtime_error when a file or log is not what it must be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kv::crash {

// What the recovery that a server's log tells of says.
struct RecoveryLine {
  std::uint64_t revision = 0;
  std::uint64_t torn_bytes = 0;
};
RecoveryLine recovery_in(const std::string& log);

// The cut of the newest snapshot that MANIFEST names; 0 when there is none.
std::uint64_t published_cut(const std::string& data_directory);

struct TornTail {
  std::string file;  // below the directory
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t last_revision = 0;
};

// A directory whose server is dead.
struct Remains {
  // MANIFEST
  std::string mode;
  std::optional<std::pair<std::string, std::string>> unfinished;  // a switch, from and to
  std::uint64_t next_revision = 1;                                // the first one that the next server gives
  // What `kvstore_tool check` says that a start serves.
  std::uint64_t revision = 0;
  std::uint64_t keys = 0;
  std::uint64_t digest = 0;
  std::optional<TornTail> torn;
};

// Throws for what the checker does not call sound, and for files that are not the server's.
Remains look_at(const std::string& data_directory);

// What is wrong with a log of a server, from its start on: every warning and every error, but for one torn tail, which
// is told once and as the checker sees it.
std::vector<std::string> judge_log(const std::string& log, const std::optional<TornTail>& torn);

// The start that `log` is of, on those remains: revision, torn tail, the log as a whole.
std::vector<std::string> judge_start(const std::string& log, const Remains& remains);

}  // namespace kv::crash
