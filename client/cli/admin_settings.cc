#include "client/cli/admin_settings.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "client/cli/commands.h"
#include "client/cli/text.h"
#include "core/absl_text.h"
#include "core/units.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using std::chrono::milliseconds;

constexpr std::string_view kUsage =
    "config set <name>=<value>... [--check] [--wait] [--snapshot-first] [--if-version <number>]";

// How a value is typed and shown; its type on the wire is the field's.
enum class Form { kChoice, kLowerChoice, kDuration, kSize, kSizeOrAuto, kCount, kPercent };

struct Row {
  std::string_view name;
  std::string_view path;
  Form form;
};

constexpr std::array kRows{
    Row{"mode", "mode", Form::kChoice},
    Row{"snapshot-interval", "snapshot_interval", Form::kDuration},
    Row{"snapshot-min-changes", "snapshot_min_changes", Form::kCount},
    Row{"max-snapshots", "max_snapshots", Form::kCount},
    Row{"log-segment-size", "log_segment_bytes", Form::kSize},
    Row{"fsync", "fsync_policy", Form::kLowerChoice},
    Row{"fsync-interval", "fsync_interval", Form::kDuration},
    Row{"log-rewrite-growth", "log_rewrite_growth_percent", Form::kPercent},
    Row{"log-rewrite-min-size", "log_rewrite_min_bytes", Form::kSize},
    Row{"hybrid-log-from", "hybrid_log_from", Form::kCount},
    Row{"keep-past-generations", "keep_past_generations", Form::kCount},
    Row{"max-memory", "max_memory_bytes", Form::kSizeOrAuto},
    Row{"slow-threshold", "slow_request_threshold", Form::kDuration},
    Row{"log-level", "log_level", Form::kLowerChoice},
    Row{"max-key-bytes", "max_key_bytes", Form::kSize},
    Row{"max-entry-bytes", "max_entry_bytes", Form::kSize},
    Row{"max-message-bytes", "max_message_bytes", Form::kSize},
    Row{"request-id-window", "request_id_window", Form::kDuration},
    Row{"request-id-max", "request_id_max", Form::kCount},
};

absl::Status refuse(std::string_view line) { return absl::InvalidArgumentError(to_absl(line)); }

std::string joined(const std::vector<std::string_view>& words) {
  std::string text;
  for (const std::string_view word : words) text += fmt::format("{}{}", text.empty() ? "" : ", ", word);
  return text;
}

// snapshot_interval and Snapshot-Interval are the same name.
absl::StatusOr<const Row*> row_of(std::string_view word) {
  std::string name = in_lower_case(word);
  std::replace(name.begin(), name.end(), '_', '-');
  for (const Row& row : kRows) {
    if (row.name == name) return &row;
  }
  return refuse(fmt::format("Unknown setting {}. Settings: {}", kv::quoted(word), joined(setting_names())));
}

const FieldDescriptor& field_of(const Row& row) {
  return *v1::Config::descriptor()->FindFieldByName(std::string(row.path));
}

// What every word of an enum begins with: that of zero is the prefix and UNSPECIFIED.
std::string_view prefix_of(const EnumDescriptor& type) {
  std::string_view zero = type.FindValueByNumber(0)->name();
  zero.remove_suffix(std::string_view("UNSPECIFIED").size());
  return zero;
}

std::string short_word(const EnumDescriptor& type, int number) {
  const auto* value = type.FindValueByNumber(number);
  if (value == nullptr) return std::to_string(number);
  return value->name().substr(prefix_of(type).size());
}

// ---- Typed ------------------------------------------------------------------------------------------------------

absl::Status set_choice(const Row& row, const std::string& text, v1::Config& config) {
  const FieldDescriptor& field = field_of(row);
  const EnumDescriptor& type = *field.enum_type();
  std::string wanted = in_lower_case(text);
  std::replace(wanted.begin(), wanted.end(), '-', '_');
  std::string known;
  for (int i = 1; i < type.value_count(); ++i) {
    const std::string word = short_word(type, type.value(i)->number());
    if (in_lower_case(word) == wanted) {
      config.GetReflection()->SetEnum(&config, &field, type.value(i));
      return absl::OkStatus();
    }
    known += fmt::format("{}{}", known.empty() ? "" : ", ", row.form == Form::kChoice ? word : in_lower_case(word));
  }
  return refuse(fmt::format("{} must be one of {}, not {}", row.name, known, kv::quoted(text)));
}

absl::Status set_duration(const Row& row, const std::string& text, v1::Config& config) {
  const auto time = parse_duration(text);
  if (!time.ok())
    return refuse(fmt::format("{} must be a duration such as 90s or 5m, not {}", row.name, kv::quoted(text)));
  google::protobuf::Duration duration;
  duration.set_seconds(*time / std::chrono::seconds(1));
  duration.set_nanos(static_cast<std::int32_t>((*time % std::chrono::seconds(1)).count() * 1'000'000));
  config.GetReflection()->MutableMessage(&config, &field_of(row))->CopyFrom(duration);
  return absl::OkStatus();
}

absl::Status set_number(const Row& row, const std::string& text, v1::Config& config) {
  const FieldDescriptor& field = field_of(row);
  const bool percent = row.form == Form::kPercent && text.ends_with('%');
  const bool size = row.form == Form::kSize || row.form == Form::kSizeOrAuto;
  const bool automatic = row.form == Form::kSizeOrAuto && text == "auto";  // 0 on the wire
  const auto number = automatic ? absl::StatusOr<std::uint64_t>(0)
                      : size    ? parse_size(text)
                                : parse_number(text.substr(0, text.size() - (percent ? 1 : 0)));
  const bool narrow = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32;
  if (!number.ok() || (narrow && *number > std::numeric_limits<std::uint32_t>::max())) {
    return refuse(fmt::format("{} must be a {}, not {}", row.name, size ? "size such as 512KiB or 10MiB" : "number",
                              kv::quoted(text)));
  }
  if (narrow) {
    config.GetReflection()->SetUInt32(&config, &field, static_cast<std::uint32_t>(*number));
  } else {
    config.GetReflection()->SetUInt64(&config, &field, *number);
  }
  return absl::OkStatus();
}

absl::Status set(const Row& row, const std::string& text, v1::Config& config) {
  switch (row.form) {
    case Form::kChoice:
    case Form::kLowerChoice:
      return set_choice(row, text, config);
    case Form::kDuration:
      return set_duration(row, text, config);
    case Form::kSize:
    case Form::kSizeOrAuto:
    case Form::kCount:
    case Form::kPercent:
      return set_number(row, text, config);
  }
  return refuse("");
}

// ---- Shown ------------------------------------------------------------------------------------------------------

std::string shown(const Row& row, const v1::Config& config) {
  const FieldDescriptor& field = field_of(row);
  const auto& reflection = *config.GetReflection();
  switch (row.form) {
    case Form::kChoice:
      return short_word(*field.enum_type(), reflection.GetEnumValue(config, &field));
    case Form::kLowerChoice:
      return in_lower_case(short_word(*field.enum_type(), reflection.GetEnumValue(config, &field)));
    case Form::kDuration: {
      const auto& time = static_cast<const google::protobuf::Duration&>(reflection.GetMessage(config, &field));
      return format_duration(std::chrono::seconds(time.seconds()) + milliseconds(time.nanos() / 1'000'000));
    }
    default:
      break;
  }
  const std::uint64_t number = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32
                                   ? reflection.GetUInt32(config, &field)
                                   : reflection.GetUInt64(config, &field);
  if (row.form == Form::kSize || row.form == Form::kSizeOrAuto) return format_size(number);
  return fmt::format("{}{}", number, row.form == Form::kPercent ? "%" : "");
}

std::string_view word(v1::ConfigSource source) {
  switch (source) {
    case v1::CONFIG_SOURCE_DEFAULT:
      return "default";
    case v1::CONFIG_SOURCE_FILE:
      return "file";
    case v1::CONFIG_SOURCE_ENVIRONMENT:
      return "environment";
    case v1::CONFIG_SOURCE_FLAG:
      return "flag";
    case v1::CONFIG_SOURCE_RUNTIME:
      return "run time";
    default:
      return "earlier start";
  }
}

absl::Status set_pair(const std::string& pair, v1::UpdateConfigRequest& request) {
  const std::size_t equals = pair.find('=');
  if (equals == pair.npos) return refuse(fmt::format("Usage: {}", kUsage));
  const auto row = row_of(std::string_view(pair).substr(0, equals));
  if (!row.ok()) return row.status();
  const std::string path((*row)->path);
  const auto& paths = request.update_mask().paths();
  if (std::find(paths.begin(), paths.end(), path) != paths.end()) {
    return refuse(fmt::format("{} is given twice", (*row)->name));
  }
  request.mutable_update_mask()->add_paths(path);
  return set(**row, pair.substr(equals + 1), *request.mutable_config());
}

}  // namespace

std::vector<std::string_view> setting_names() {
  std::vector<std::string_view> names;
  for (const Row& row : kRows) names.push_back(row.name);
  return names;
}

std::vector<ShownSetting> shown_settings(const v1::GetConfigResponse& response, const std::vector<std::string>& names) {
  std::map<std::string, const v1::ConfigFieldInfo*> infos;
  for (const v1::ConfigFieldInfo& info : response.fields()) infos[info.path()] = &info;
  std::vector<ShownSetting> settings;
  for (const Row& row : kRows) {
    const auto info = infos.find(std::string(row.path));
    if (info == infos.end()) continue;  // A server that does not know it.
    if (!names.empty() && std::find(names.begin(), names.end(), row.name) == names.end()) continue;
    settings.push_back(
        {row.name, shown(row, response.config()), word(info->second->source()), info->second->restart_required()});
  }
  return settings;
}

absl::StatusOr<std::vector<std::string>> parse_config_get(std::span<const std::string> arguments) {
  std::vector<std::string> names;
  for (const std::string& argument : arguments) {
    const auto row = row_of(argument);
    if (!row.ok()) return row.status();
    names.emplace_back((*row)->name);
  }
  return names;
}

absl::StatusOr<v1::UpdateConfigRequest> parse_config_set(std::span<const std::string> arguments) {
  v1::UpdateConfigRequest request;
  request.set_wait_for(v1::TRANSITION_PHASE_ACCEPTED);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--check") {
      request.set_validate_only(true);
    } else if (word == "--wait") {
      request.set_wait_for(v1::TRANSITION_PHASE_ACTIVE);
    } else if (word == "--snapshot-first") {
      request.set_snapshot_before_disabling(true);
    } else if (word == "--if-version") {
      const auto version = i + 1 < arguments.size() ? parse_number(arguments[++i]) : absl::StatusOr<std::uint64_t>(0);
      if (!version.ok() || *version == 0) return refuse("--if-version takes the number that config get shows");
      request.set_expected_config_version(*version);
    } else if (absl::Status pair = set_pair(word, request); !pair.ok()) {
      return pair;
    }
  }
  if (request.update_mask().paths().empty()) return refuse(fmt::format("Usage: {}", kUsage));
  return request;
}

std::string short_name(v1::PersistenceMode mode) { return short_word(*v1::PersistenceMode_descriptor(), mode); }
std::string short_name(v1::TransitionPhase phase) { return short_word(*v1::TransitionPhase_descriptor(), phase); }

}  // namespace kv
