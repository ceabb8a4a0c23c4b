// Config of kvstore.v1: settings as a message, where each comes from, and what a request to change some of them means.
//
// A request changes the fields that its mask names, or, without a mask, those that it fills. So what GetConfig gave can
// be sent back with one field changed: settings that need a restart are accepted as long as they stay what they are.
//
// Threads: free functions and constants.
// Errors:  FIELD_INVALID for a path that does not exist, CONFIG_INVALID for a value that is none or out of bounds,
//          CONFIG_RESTART_REQUIRED. The fact "field" is the path.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kvstore/v1/admin_service.pb.h"
#include "persistence/storage.h"
#include "server/limits.h"
#include "server/options.h"

namespace kv {

// What a server was started with and keeps until it ends.
struct FixedConfig {
  Limits limits;
  std::size_t message_bytes_max = 0;
  std::uint64_t automatic_memory_bytes = 0;  // the limit of memory when nobody has chosen one
  RequestBounds requests;
  std::map<std::string, SettingSource> sources;  // of every flag, as given at this start
};
FixedConfig fixed_config_of(const CommandLine& line, std::uint64_t automatic_memory_bytes);

kvstore::v1::Config config_message_of(const Settings& settings, const FixedConfig& fixed);
std::vector<kvstore::v1::ConfigFieldInfo> field_infos_of(const SettingsInForce& in_force, const FixedConfig& fixed);

struct AskedChange {
  SettingsChange change;
  Settings target;  // valid, as a whole
  std::vector<std::string> warnings;
};
absl::StatusOr<AskedChange> asked_change_of(const kvstore::v1::UpdateConfigRequest& request, const Settings& current,
                                            const FixedConfig& fixed);

}  // namespace kv
