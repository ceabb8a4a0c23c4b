// Which value of each setting is in force after a start, and why.
//
// The rule: the last edit wins. MANIFEST remembers the text that was last given at a start (flag, environment, file).
// When another text is given now, somebody has edited it since, and it wins; otherwise the stored value stands, whether
// it was set at run time or came from an earlier start. A setting that is not given at all is no edit.
//
// Threads: free functions. Errors: CONFIG_INVALID for a text that does not parse or is out of bounds.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "persistence/manifest.h"
#include "persistence/settings.h"

namespace kv {

// A setting as given at this start: its value as text, and whether somebody gave it (flag, environment, file) or it is
// the built-in default.
struct StartupSetting {
  std::string value;
  bool given = false;
};
using StartupSettings = std::map<std::string, StartupSetting>;  // by flag name: "mode", "snapshot-interval", ...

// Which value won for one setting and why; for the start log.
struct SettingDecision {
  std::string name;
  std::string value;
  std::string why;
};

// --settings: the rule above, or one side forced.
enum class SettingsRule : std::uint8_t { kLatest, kStartup, kStored };

struct ResolvedSettings {
  Settings settings;
  std::map<std::string, StoredSetting> stored;  // what MANIFEST shall say; names it knows and we do not are kept
  std::vector<SettingDecision> decisions;       // one a setting, in the order of setting_names()
  std::set<std::string> edited;                 // given at this start, and newer than any change on record
};

// `stored` is empty on a fresh directory.
absl::StatusOr<ResolvedSettings> resolve_settings(const std::map<std::string, StoredSetting>& stored,
                                                  const StartupSettings& startup, SettingsRule source);

// One setting changed at run time.
void set_at_run_time(std::map<std::string, StoredSetting>& stored, const std::string& name, const std::string& value);

}  // namespace kv
