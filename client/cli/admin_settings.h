// The settings that the admin service knows, by the names of the server's flags, and `config get` and `config set` as
// the requests they mean.
//
// Threads: constants and free functions. Errors: INVALID_ARGUMENT; the message is the line to show.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kvstore/v1/admin_service.pb.h"

namespace kv {

// In the order in which they are shown.
std::vector<std::string_view> setting_names();

// One setting as it is shown and typed: "300s", "10MiB", "HYBRID".
struct ShownSetting {
  std::string_view name;
  std::string value;
  std::string_view source;  // "default", "file", "environment", "flag", "run time", "earlier start"
  bool restart_required = false;
};
// Only those of `names`, unless it is empty.
std::vector<ShownSetting> shown_settings(const kvstore::v1::GetConfigResponse& response,
                                         const std::vector<std::string>& names);

// The words behind `config get`: the names to show, none for all.
absl::StatusOr<std::vector<std::string>> parse_config_get(std::span<const std::string> arguments);
// The words behind `config set`: NAME=VALUE, --check, --wait, --snapshot-first, --if-version N, in any order.
absl::StatusOr<kvstore::v1::UpdateConfigRequest> parse_config_set(std::span<const std::string> arguments);

// The words of an enum without what they all begin with: "HYBRID".
std::string short_name(kvstore::v1::PersistenceMode mode);
std::string short_name(kvstore::v1::TransitionPhase phase);

}  // namespace kv
