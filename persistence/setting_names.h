// The settings of persistence by name and as text: how flags, MANIFEST and the start log speak of them.
//
// One row a setting (setting_names.cc): its name is its flag's name. Text has one canonical form, so that two texts
// mean the same value exactly when their canonical forms are equal.
//
// Threads: free functions, safe from any thread.
// Units:   durations take ms s m h d, sizes B KiB MiB GiB KB MB GB (a bare number is bytes), growth takes an optional
// %.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "persistence/settings.h"

namespace kv {

// In the order of struct Settings.
const std::vector<std::string>& setting_names();
bool is_setting(std::string_view name);
// Sets one field from text. CONFIG_INVALID when the text does not parse; bounds are validate()'s matter.
absl::Status set_by_name(Settings& settings, std::string_view name, std::string_view text);
// The canonical text of one field; empty for a name that is_setting() denies.
std::string text_by_name(const Settings& settings, std::string_view name);

}  // namespace kv
