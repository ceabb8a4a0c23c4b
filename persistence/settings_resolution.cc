#include "persistence/settings_resolution.h"

#include <fmt/format.h>

#include "core/error.h"
#include "persistence/setting_names.h"

namespace kv {
namespace {

struct Choice {
  StoredSetting setting;
  std::string why;
  bool edited = false;
};

Choice choose(const StoredSetting* stored, const std::optional<std::string>& given, const std::string& fallback,
              SettingsRule source) {
  const bool edited = given && (stored == nullptr || stored->startup != given);
  const std::optional<std::string> startup = given ? given : stored != nullptr ? stored->startup : std::nullopt;
  if (stored != nullptr && source == SettingsRule::kStored) {
    return {{stored->value, startup, stored->origin}, "stored (--settings stored)"};
  }
  if (source == SettingsRule::kStartup && stored != nullptr) {
    if (given) return {{*given, startup, SettingOrigin::kStartup}, "given at start (--settings startup)", true};
    return {{fallback, startup, SettingOrigin::kDefault}, "default (--settings startup)", true};
  }
  if (edited) return {{*given, startup, SettingOrigin::kStartup}, "given at start", true};
  if (stored == nullptr || stored->origin == SettingOrigin::kDefault) {
    return {{fallback, startup, SettingOrigin::kDefault}, "default"};
  }
  if (stored->origin == SettingOrigin::kRuntime) {
    return {*stored, given ? "set at run time (start value unchanged since)" : "set at run time"};
  }
  return {*stored, given ? "given at start" : "stored (given at an earlier start)"};
}

}  // namespace

absl::StatusOr<ResolvedSettings> resolve_settings(const std::map<std::string, StoredSetting>& stored,
                                                  const StartupSettings& startup, SettingsRule source) {
  ResolvedSettings result;
  result.stored = stored;
  for (const auto& [name, setting] : startup) {
    if (!is_setting(name)) return error(Reason::kConfigInvalid, fmt::format("there is no setting '{}'", name));
  }
  for (const std::string& name : setting_names()) {
    // Texts are compared in their canonical form: "5m" after "300s" is no edit.
    std::optional<std::string> given;
    std::string fallback = text_by_name(Settings{}, name);
    if (const auto found = startup.find(name); found != startup.end()) {
      Settings parsed;
      if (absl::Status set = set_by_name(parsed, name, found->second.value); !set.ok()) return set;
      (found->second.given ? given.emplace() : fallback) = text_by_name(parsed, name);
    }
    const auto known = stored.find(name);
    const Choice choice = choose(known == stored.end() ? nullptr : &known->second, given, fallback, source);
    if (absl::Status set = set_by_name(result.settings, name, choice.setting.value); !set.ok()) return set;
    result.stored[name] = choice.setting;
    result.decisions.push_back({name, choice.setting.value, choice.why});
    if (choice.edited) result.edited.insert(name);
  }
  if (absl::Status valid = validate(result.settings); !valid.ok()) return valid;
  return result;
}

void set_at_run_time(std::map<std::string, StoredSetting>& stored, const std::string& name, const std::string& value) {
  StoredSetting& setting = stored[name];
  setting.value = value;
  setting.origin = SettingOrigin::kRuntime;
}

}  // namespace kv
