// What a start found and did: for the log, for GetStatus, and as a file that stays readable.
//
// DATA/RECOVERY is the last start's, one that was refused included. When a start went on without what is damaged, the
// same text also stays as RECOVERY.TOKEN: it lists what was lost, and no later start replaces it.
//
// Threads: values and free functions. Errors: those of the file system. Format: docs/formats/recovery.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/file_system.h"
#include "persistence/data_loss.h"
#include "persistence/format/side_files.h"

namespace kv {

struct RecoveryReport {
  std::chrono::milliseconds duration{0};
  std::uint64_t keys_loaded = 0;
  std::uint64_t records_replayed = 0;
  Revision revision = 0;
  std::uint64_t tail_bytes_discarded = 0;
  std::vector<std::string> files_loaded;
  std::vector<std::string> files_skipped;  // with the reason
  std::vector<std::string> strangers;      // found in the directory, not ours, left alone
  bool clean_shutdown = false;
  bool fresh = false;  // the directory was empty

  std::string refused;           // why there is no start; empty: it serves
  std::optional<DataLoss> loss;  // what it goes on without, or would; nothing when there is nothing to go on with
  std::string token;             // of `loss`
};

// What the report is of.
struct ReportedStore {
  std::string directory;
  const Manifest* manifest = nullptr;  // as the start found it; null: it cannot be read
  UnixMillis time = 0;
};

std::string to_text(const RecoveryReport& report, const ReportedStore& store);
// Replaces RECOVERY.
absl::Status write_report(FileSystem& fs, const std::string& directory, const RecoveryReport& report,
                          std::string_view text);

}  // namespace kv
