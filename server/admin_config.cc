#include "server/admin_config.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "core/units.h"
#include "server/admin_status.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;
using std::chrono::milliseconds;

// Above every bound of ours, and far from overflow.
constexpr std::int64_t kSecondsMax = std::int64_t{1} << 40;
constexpr std::uint64_t kSegmentBytesMin = 1 << 20;

absl::Status refuse(std::string_view path, std::string_view why) {
  return error(Reason::kConfigInvalid, fmt::format("config.{} {}", path, why),
               {{"field", fmt::format("config.{}", path)}});
}

using google::protobuf::FieldDescriptor;

// ---- Values as fields -------------------------------------------------------------------------------------------

int number_of(Mode mode) noexcept { return to_message(mode); }

int number_of(FsyncPolicy policy) noexcept {
  switch (policy) {
    case FsyncPolicy::kAlways:
      return v1::FSYNC_POLICY_ALWAYS;
    case FsyncPolicy::kInterval:
      return v1::FSYNC_POLICY_INTERVAL;
    case FsyncPolicy::kNever:
      return v1::FSYNC_POLICY_NEVER;
  }
  return v1::FSYNC_POLICY_UNSPECIFIED;
}

int number_of(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kDebug:
      return v1::LOG_LEVEL_DEBUG;
    case LogLevel::kInfo:
      return v1::LOG_LEVEL_INFO;
    case LogLevel::kWarning:
      return v1::LOG_LEVEL_WARNING;
    case LogLevel::kError:
      return v1::LOG_LEVEL_ERROR;
  }
  return v1::LOG_LEVEL_UNSPECIFIED;
}

// One field of a message, written and read by the type of the setting it stands for.
class Field {
 public:
  explicit Field(std::string_view path)
      : path_(path), field_(*v1::Config::descriptor()->FindFieldByName(std::string(path))) {}

  bool filled(const v1::Config& config) const { return reflection(config).HasField(config, &field_); }

  void put(v1::Config& config, std::uint32_t value) const { reflection(config).SetUInt32(&config, &field_, value); }
  void put(v1::Config& config, std::uint64_t value) const { reflection(config).SetUInt64(&config, &field_, value); }
  void put(v1::Config& config, Mode mode) const { put_enum(config, number_of(mode)); }
  void put(v1::Config& config, FsyncPolicy policy) const { put_enum(config, number_of(policy)); }
  void put(v1::Config& config, LogLevel level) const { put_enum(config, number_of(level)); }
  void put(v1::Config& config, milliseconds time) const {
    reflection(config).MutableMessage(&config, &field_)->CopyFrom(to_message(time));
  }

  // Of a number or a duration, for people.
  std::string text(const v1::Config& config) const {
    if (field_.message_type() == nullptr) return std::to_string(reflection(config).GetUInt64(config, &field_));
    std::optional<milliseconds> time;
    const absl::Status taken = take(config, time);
    return taken.ok() ? format_duration(*time) : std::string(message_of(taken));
  }

  absl::Status take(const v1::Config& config, std::optional<std::uint32_t>& value) const {
    value = reflection(config).GetUInt32(config, &field_);
    return absl::OkStatus();
  }
  absl::Status take(const v1::Config& config, std::optional<std::uint64_t>& value) const {
    value = reflection(config).GetUInt64(config, &field_);
    return absl::OkStatus();
  }
  absl::Status take(const v1::Config& config, std::optional<Mode>& mode) const {
    return take_enum(config, {Mode::kNonPersistent, Mode::kSnapshot, Mode::kAof, Mode::kHybrid}, mode);
  }
  absl::Status take(const v1::Config& config, std::optional<FsyncPolicy>& policy) const {
    return take_enum(config, {FsyncPolicy::kAlways, FsyncPolicy::kInterval, FsyncPolicy::kNever}, policy);
  }
  absl::Status take(const v1::Config& config, std::optional<LogLevel>& level) const {
    return take_enum(config, {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}, level);
  }
  absl::Status take(const v1::Config& config, std::optional<milliseconds>& time) const {
    constexpr std::int32_t kNanosInMilli = 1'000'000;
    const auto& asked = static_cast<const google::protobuf::Duration&>(reflection(config).GetMessage(config, &field_));
    const bool valid = asked.seconds() >= 0 && asked.seconds() <= kSecondsMax && asked.nanos() >= 0 &&
                       asked.nanos() < 1000 * kNanosInMilli && asked.nanos() % kNanosInMilli == 0;
    if (!valid) return refuse(path_, "is no duration of whole milliseconds");
    time = std::chrono::seconds(asked.seconds()) + milliseconds(asked.nanos() / kNanosInMilli);
    return absl::OkStatus();
  }

 private:
  static const google::protobuf::Reflection& reflection(const v1::Config& config) { return *config.GetReflection(); }
  void put_enum(v1::Config& config, int number) const { reflection(config).SetEnumValue(&config, &field_, number); }
  template <class Choice>
  absl::Status take_enum(const v1::Config& config, std::initializer_list<Choice> choices,
                         std::optional<Choice>& chosen) const {
    const int number = reflection(config).GetEnumValue(config, &field_);
    for (const Choice choice : choices) {
      if (number_of(choice) == number) chosen = choice;
    }
    return chosen ? absl::OkStatus() : refuse(path_, fmt::format("is {}, which stands for nothing", number));
  }

  const std::string_view path_;
  const FieldDescriptor& field_;
};

// ---- The table --------------------------------------------------------------------------------------------------

struct ConfigRow {
  std::string_view path;
  std::string_view flag;
  void (*put)(const Field&, v1::Config&, const Settings&, const FixedConfig&);
  // Null: it cannot change while the server runs.
  absl::Status (*take)(const Field&, const v1::Config&, SettingsChange&);
};

template <auto Member, auto Asked>
constexpr ConfigRow setting(std::string_view path, std::string_view flag) {
  return {path, flag,
          [](const Field& field, v1::Config& config, const Settings& s, const FixedConfig&) {
            field.put(config, s.*Member);
          },
          [](const Field& field, const v1::Config& config, SettingsChange& change) {
            return field.take(config, change.*Asked);
          }};
}

template <class Get>
constexpr ConfigRow fixed(std::string_view path, std::string_view flag, Get) {
  return {path, flag,
          [](const Field& field, v1::Config& config, const Settings&, const FixedConfig& fixed) {
            field.put(config, Get()(fixed));
          },
          nullptr};
}

// Shown as the limit that holds, whoever chose it.
constexpr ConfigRow kMaxMemory{"max_memory_bytes", "max-memory",
                               [](const Field& field, v1::Config& config, const Settings& s, const FixedConfig& fixed) {
                                 field.put(config,
                                           s.max_memory_bytes == 0 ? fixed.automatic_memory_bytes : s.max_memory_bytes);
                               },
                               [](const Field& field, const v1::Config& config, SettingsChange& change) {
                                 return field.take(config, change.max_memory_bytes);
                               }};

using C = SettingsChange;
constexpr std::array kRows{
    setting<&Settings::mode, &C::mode>("mode", "mode"),
    setting<&Settings::snapshot_interval, &C::snapshot_interval>("snapshot_interval", "snapshot-interval"),
    setting<&Settings::max_snapshots, &C::max_snapshots>("max_snapshots", "max-snapshots"),
    setting<&Settings::log_segment_bytes, &C::log_segment_bytes>("log_segment_bytes", "log-segment-size"),
    setting<&Settings::fsync, &C::fsync>("fsync_policy", "fsync"),
    setting<&Settings::fsync_interval, &C::fsync_interval>("fsync_interval", "fsync-interval"),
    setting<&Settings::snapshot_min_changes, &C::snapshot_min_changes>("snapshot_min_changes", "snapshot-min-changes"),
    setting<&Settings::log_rewrite_growth_percent, &C::log_rewrite_growth_percent>("log_rewrite_growth_percent",
                                                                                   "log-rewrite-growth"),
    setting<&Settings::log_rewrite_min_bytes, &C::log_rewrite_min_bytes>("log_rewrite_min_bytes",
                                                                         "log-rewrite-min-size"),
    setting<&Settings::hybrid_log_from, &C::hybrid_log_from>("hybrid_log_from", "hybrid-log-from"),
    setting<&Settings::keep_past_generations, &C::keep_past_generations>("keep_past_generations",
                                                                         "keep-past-generations"),
    kMaxMemory,
    setting<&Settings::slow_threshold, &C::slow_threshold>("slow_request_threshold", "slow-threshold"),
    setting<&Settings::log_level, &C::log_level>("log_level", "log-level"),
    fixed("max_key_bytes", "max-key-bytes", [](const FixedConfig& f) { return f.limits.key_bytes_max; }),
    fixed("max_entry_bytes", "max-entry-bytes", [](const FixedConfig& f) { return f.limits.entry_bytes_max; }),
    fixed("max_message_bytes", "max-message-bytes", [](const FixedConfig& f) { return f.message_bytes_max; }),
    fixed("request_id_window", "request-id-window", [](const FixedConfig& f) { return f.requests.age; }),
    fixed("request_id_max", "request-id-max", [](const FixedConfig& f) { return f.requests.count; }),
};

const ConfigRow* row_of(std::string_view path) {
  const auto found = std::find_if(kRows.begin(), kRows.end(), [&](const ConfigRow& row) { return row.path == path; });
  return found == kRows.end() ? nullptr : &*found;
}

// ---- Requests ---------------------------------------------------------------------------------------------------

absl::StatusOr<std::vector<const ConfigRow*>> asked_rows(const v1::UpdateConfigRequest& request) {
  std::vector<const ConfigRow*> rows;
  for (const std::string& path : request.update_mask().paths()) {
    rows.push_back(row_of(path));
    if (rows.back() != nullptr) continue;
    return error(Reason::kFieldInvalid, fmt::format("update_mask names '{}', which is no field of Config", path),
                 {{"field", "update_mask"}});
  }
  if (!rows.empty()) return rows;
  for (const ConfigRow& row : kRows) {
    if (Field(row.path).filled(request.config())) rows.push_back(&row);
  }
  if (!rows.empty()) return rows;
  return error(Reason::kFieldInvalid, "the request names no setting", {{"field", "config"}});
}

absl::Status check_unchanged(const ConfigRow& row, const v1::Config& asked, const v1::Config& current) {
  const Field field(row.path);
  const std::string present = field.text(current);
  if (field.text(asked) == present) return absl::OkStatus();
  return error(Reason::kConfigRestartRequired,
               fmt::format("config.{} is {} until a restart with another --{}", row.path, present, row.flag),
               {{"field", fmt::format("config.{}", row.path)}});
}

// Tells it in the words of the message: the check itself speaks of flags.
absl::Status with_path(const absl::Status& invalid) {
  const auto facts = facts_of(invalid);
  const auto named = facts.find("setting");
  if (named == facts.end()) return invalid;
  for (const ConfigRow& row : kRows) {
    if (row.flag == named->second) return with_fact(invalid, "field", fmt::format("config.{}", row.path));
  }
  return invalid;
}

// What is accepted and may still surprise.
std::vector<std::string> warnings_of(const SettingsChange& change, const Settings& target, bool snapshot_first) {
  std::vector<std::string> warnings;
  const bool snapshots = target.mode == Mode::kSnapshot || target.mode == Mode::kHybrid;
  if (change.mode == Mode::kNonPersistent) {
    warnings.push_back(fmt::format("in NON_PERSISTENT mode every key is lost when the process ends{}",
                                   snapshot_first ? "; the last snapshot is kept among the past files" : ""));
  }
  if ((change.snapshot_interval || change.snapshot_min_changes) && !snapshots) {
    warnings.push_back(fmt::format("{} mode takes no snapshots by time", word(target.mode)));
  }
  if (change.max_snapshots && *change.max_snapshots < 2 && target.mode == Mode::kHybrid) {
    warnings.emplace_back("HYBRID keeps at least two snapshots");
  }
  if (change.log_segment_bytes && *change.log_segment_bytes < kSegmentBytesMin) {
    warnings.emplace_back("a segment holds at least 1 MiB");
  }
  if (change.fsync_interval && target.fsync != FsyncPolicy::kInterval) {
    warnings.push_back(
        fmt::format("fsync_interval counts only under the policy INTERVAL, not under {}", word(target.fsync)));
  }
  if ((change.fsync || change.log_segment_bytes) && !has_log(target.mode)) {
    warnings.push_back(fmt::format("{} mode keeps no log", word(target.mode)));
  }
  return warnings;
}

v1::ConfigSource given_source(SettingSource source) noexcept {
  switch (source) {
    case SettingSource::kFlag:
      return v1::CONFIG_SOURCE_FLAG;
    case SettingSource::kEnvironment:
      return v1::CONFIG_SOURCE_ENVIRONMENT;
    case SettingSource::kFile:
      return v1::CONFIG_SOURCE_FILE;
    case SettingSource::kDefault:
      return v1::CONFIG_SOURCE_DEFAULT;
  }
  return v1::CONFIG_SOURCE_UNSPECIFIED;
}

v1::ConfigSource source_of(SettingOrigin origin, SettingSource given) noexcept {
  if (origin == SettingOrigin::kRuntime) return v1::CONFIG_SOURCE_RUNTIME;
  if (origin == SettingOrigin::kDefault) return v1::CONFIG_SOURCE_DEFAULT;
  // Given at an earlier start and not at this one: MANIFEST does not say how.
  return given == SettingSource::kDefault ? v1::CONFIG_SOURCE_UNSPECIFIED : given_source(given);
}

}  // namespace

FixedConfig fixed_config_of(const CommandLine& line, std::uint64_t automatic_memory_bytes) {
  FixedConfig fixed{
      line.options.limits, line.options.message_bytes_max, automatic_memory_bytes, line.options.requests, {}};
  for (const auto& [flag, given] : line.settings) fixed.sources[flag] = given.source;
  return fixed;
}

v1::Config config_message_of(const Settings& settings, const FixedConfig& fixed) {
  v1::Config config;
  for (const ConfigRow& row : kRows) row.put(Field(row.path), config, settings, fixed);
  return config;
}

std::vector<v1::ConfigFieldInfo> field_infos_of(const SettingsInForce& in_force, const FixedConfig& fixed) {
  std::vector<v1::ConfigFieldInfo> infos;
  for (const ConfigRow& row : kRows) {
    const std::string flag(row.flag);
    const auto given = fixed.sources.find(flag);
    const SettingSource source = given == fixed.sources.end() ? SettingSource::kDefault : given->second;
    const auto origin = in_force.origins.find(flag);
    v1::ConfigFieldInfo info;
    info.set_path(std::string(row.path));
    info.set_source(origin == in_force.origins.end() ? given_source(source) : source_of(origin->second, source));
    info.set_restart_required(row.take == nullptr);
    infos.push_back(std::move(info));
  }
  return infos;
}

absl::StatusOr<AskedChange> asked_change_of(const v1::UpdateConfigRequest& request, const Settings& current,
                                            const FixedConfig& fixed) {
  const auto rows = asked_rows(request);
  if (!rows.ok()) return rows.status();
  const v1::Config present = config_message_of(current, fixed);
  AskedChange asked;
  for (const ConfigRow* row : *rows) {
    const absl::Status taken = row->take == nullptr ? check_unchanged(*row, request.config(), present)
                                                    : row->take(Field(row->path), request.config(), asked.change);
    if (!taken.ok()) return taken;
  }
  // What was shown and comes back as it was is nobody's choice.
  if (current.max_memory_bytes == 0 && asked.change.max_memory_bytes == fixed.automatic_memory_bytes) {
    asked.change.max_memory_bytes = 0;
  }
  asked.target = with_change(current, asked.change);
  if (const absl::Status valid = validate(asked.target); !valid.ok()) return with_path(valid);
  if (request.snapshot_before_disabling() && asked.change.mode != Mode::kNonPersistent) {
    return error(Reason::kFieldInvalid, "snapshot_before_disabling goes with a change to NON_PERSISTENT",
                 {{"field", "snapshot_before_disabling"}});
  }
  asked.warnings = warnings_of(asked.change, asked.target, request.snapshot_before_disabling());
  return asked;
}

}  // namespace kv
