#include "persistence/settings_change.h"

#include "core/units.h"
#include "persistence/setting_names.h"

namespace kv {
namespace {

const std::string kVersionName = "config-version";

// Calls visit(name, member of Settings, what is asked for) for every field of a change.
template <class Change, class Visit>
void for_each_field(Change& change, Visit&& visit) {
  visit("mode", &Settings::mode, change.mode);
  visit("snapshot-interval", &Settings::snapshot_interval, change.snapshot_interval);
  visit("snapshot-min-changes", &Settings::snapshot_min_changes, change.snapshot_min_changes);
  visit("max-snapshots", &Settings::max_snapshots, change.max_snapshots);
  visit("log-segment-size", &Settings::log_segment_bytes, change.log_segment_bytes);
  visit("fsync", &Settings::fsync, change.fsync);
  visit("fsync-interval", &Settings::fsync_interval, change.fsync_interval);
  visit("log-rewrite-growth", &Settings::log_rewrite_growth_percent, change.log_rewrite_growth_percent);
  visit("log-rewrite-min-size", &Settings::log_rewrite_min_bytes, change.log_rewrite_min_bytes);
  visit("hybrid-log-from", &Settings::hybrid_log_from, change.hybrid_log_from);
  visit("keep-past-generations", &Settings::keep_past_generations, change.keep_past_generations);
  visit("max-memory", &Settings::max_memory_bytes, change.max_memory_bytes);
  visit("slow-threshold", &Settings::slow_threshold, change.slow_threshold);
  visit("log-level", &Settings::log_level, change.log_level);
}

}  // namespace

Settings with_change(Settings settings, const SettingsChange& change) {
  for_each_field(change, [&](const char*, auto member, const auto& wanted) {
    if (wanted) settings.*member = *wanted;
  });
  return settings;
}

SettingTexts texts_of(const SettingsChange& change) {
  const Settings values = with_change({}, change);
  SettingTexts texts;
  for_each_field(change, [&](const char* name, auto, const auto& wanted) {
    if (wanted) texts[name] = text_by_name(values, name);
  });
  return texts;
}

std::uint64_t config_version(const std::map<std::string, StoredSetting>& stored) {
  const auto found = stored.find(kVersionName);
  // MANIFEST's checksum vouches for the text; one that is no number was written by nobody.
  return found == stored.end() ? 0 : parse_number(found->second.value).value_or(0);
}

void raise_config_version(std::map<std::string, StoredSetting>& stored) {
  stored[kVersionName] = {std::to_string(config_version(stored) + 1), std::nullopt, SettingOrigin::kRuntime};
}

bool values_differ(const std::map<std::string, StoredSetting>& one, const std::map<std::string, StoredSetting>& other) {
  const auto value = [](const std::map<std::string, StoredSetting>& stored, const std::string& name) {
    const auto found = stored.find(name);
    return found == stored.end() ? std::string() : found->second.value;
  };
  for (const std::string& name : setting_names()) {
    if (value(one, name) != value(other, name)) return true;
  }
  return false;
}

}  // namespace kv
