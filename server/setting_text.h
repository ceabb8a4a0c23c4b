// Settings as people write them: what a row accepts, whether a text is such a value, and the one form in which a value
// is kept, compared and shown, however it was written ("60s" and "1m" are one value).
//
// Threads: any. Errors: CONFIG_INVALID, with the flag as its field.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/setting_table.h"

namespace kv {

// KVSTORE_ and the flag in capitals with underscores.
std::string environment_name(std::string_view flag);
// What the row accepts, in words: "1s to 365d".
std::string accepted(const SettingRow& row);
// The canonical text of a value, or CONFIG_INVALID naming the flag, the value and the bounds.
absl::StatusOr<std::string> checked_value(const SettingRow& row, std::string_view text);

// Of `names`, the one a misspelt `name` most likely meant, or an empty string.
std::string closest(std::string_view name, const std::vector<std::string>& names);

}  // namespace kv
