// What the server was told to do: flags, environment, file and defaults, in this order of precedence, resolved against
// the table of settings, with the source of each value kept.
//
// Errors: CONFIG_INVALID for anything unknown (with a suggestion), malformed or out of bounds; the process then exits
//         with 2. Nothing is accepted and ignored.
// Threads: free functions. Source: docs/operations.md lists the same for people.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "persistence/storage.h"
#include "server/limits.h"

namespace kv {

enum class SettingSource { kFlag, kEnvironment, kFile, kDefault };

struct GivenSetting {
  std::vector<std::string> values;  // one, except where a setting is repeatable
  SettingSource source = SettingSource::kDefault;
  std::string where;  // "--mode", "KVSTORE_MODE", "server.toml", "default"
};
using GivenSettings = std::map<std::string, GivenSetting>;  // by flag name

enum class Action { kServe, kRecoverOnly, kCheckConfig, kPrintConfig, kVersion, kHelp };

struct Options {
  std::vector<std::string> listen;
  std::string http_listen;  // empty: off
  std::string data_directory;
  Limits limits;
  std::size_t message_bytes_max = 0;
  std::size_t connections_max = 10000;
  std::size_t streams_max = 1000;                   // of one connection
  std::size_t bytes_in_flight_max = 0;              // 0: from the memory there is
  std::chrono::milliseconds default_deadline{0};    // of a unary call; 0: none
  std::chrono::milliseconds connection_age_max{0};  // 0: any age
  std::size_t completion_queues = 1;
  std::size_t threads_per_queue = 1;
  std::size_t shards = 64;
  RequestBounds requests;
  bool reflection = true;
  bool legacy_config = true;
  bool exit_on_disk_failure = false;
  std::string log_level;
  std::string log_format;
  std::chrono::milliseconds stop_timeout{9000};
  StartupSettings startup;  // those that MANIFEST remembers
  SettingsRule settings_rule = SettingsRule::kLatest;
  std::string accept_data_loss;  // empty: none
};

struct CommandLine {
  Action action = Action::kServe;
  Options options;
  GivenSettings settings;
};

using Environment = std::map<std::string, std::string>;
Environment process_environment();

// `arguments` without the program's name.
absl::StatusOr<CommandLine> read_command_line(const std::vector<std::string>& arguments,
                                              const Environment& environment);

// The form, "text" or "json", of the line that tells of a refusal by read_command_line(): as flags, environment or file
// say, whichever of them comes first of which that much can be read.
std::string refusal_format(const std::vector<std::string>& arguments, const Environment& environment);

std::string help_text();
// A file that --config reads back to the same settings, with the source of each as a comment.
std::string config_text(const GivenSettings& settings);

}  // namespace kv
