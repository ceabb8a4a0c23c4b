// A change of settings while the server runs: what shall change, on which conditions, and when it is answered.
//
// Threads: values and free functions. Errors: validate() of the result says what is out of bounds.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "persistence/manifest.h"
#include "persistence/settings.h"

namespace kv {

// What is not set stays.
struct SettingsChange {
  std::optional<Mode> mode;
  std::optional<std::chrono::milliseconds> snapshot_interval;
  std::optional<std::uint64_t> snapshot_min_changes;
  std::optional<std::uint32_t> max_snapshots;
  std::optional<std::uint64_t> log_segment_bytes;
  std::optional<FsyncPolicy> fsync;
  std::optional<std::chrono::milliseconds> fsync_interval;
  std::optional<std::uint32_t> log_rewrite_growth_percent;
  std::optional<std::uint64_t> log_rewrite_min_bytes;
  std::optional<std::uint32_t> hybrid_log_from;
  std::optional<std::uint32_t> keep_past_generations;
  std::optional<std::uint64_t> max_memory_bytes;
  std::optional<std::chrono::milliseconds> slow_threshold;
  std::optional<LogLevel> log_level;
};

struct ChangeOptions {
  enum class Answer : std::uint8_t { kInForce, kRecorded };
  // kRecorded: as soon as MANIFEST holds it. What goes wrong afterwards is told by the status alone.
  Answer answer = Answer::kInForce;
  // Called as well, once: when MANIFEST holds the change, or with the error that is the answer. Threads as of the
  // answer.
  std::function<void(absl::Status)> on_record = {};
  // Meeting a switch of modes that is not the same: true makes this the next change, false gets TRANSITION_IN_PROGRESS.
  bool queue_behind_switch = true;
  // CONFIG_VERSION_MISMATCH when another version is in force; 0: whichever.
  std::uint64_t expected_version = 0;
  // To NON_PERSISTENT: a last snapshot goes to the past with the rest.
  bool snapshot_first = false;
};

Settings with_change(Settings settings, const SettingsChange& change);
// The same change as MANIFEST writes it.
SettingTexts texts_of(const SettingsChange& change);

// Counts the changes of settings, over restarts too: kept in MANIFEST as a setting that no flag sets. 0: none yet.
std::uint64_t config_version(const std::map<std::string, StoredSetting>& stored);
void raise_config_version(std::map<std::string, StoredSetting>& stored);
// Whether any setting has another value; origins do not count.
bool values_differ(const std::map<std::string, StoredSetting>& one, const std::map<std::string, StoredSetting>& other);

}  // namespace kv
