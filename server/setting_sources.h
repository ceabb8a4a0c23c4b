// The three places where a person can say something: flags, the environment, the file. Each gives raw text by flag
// name; unknown names are refused here, with a suggestion. Values are checked later, by the table.
//
// Errors: CONFIG_INVALID. Threads: free functions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/options.h"

namespace kv {

using RawSettings = std::map<std::string, GivenSetting>;  // by flag name

struct RawFlags {
  Action action = Action::kServe;
  std::string config_path;  // empty: not given
  RawSettings settings;
};

absl::StatusOr<RawFlags> settings_from_flags(const std::vector<std::string>& arguments);
// Also the path of the file, under "config".
absl::StatusOr<RawSettings> settings_from_environment(const Environment& environment);
absl::StatusOr<RawSettings> settings_from_file(const std::string& path);

}  // namespace kv
