#include "server/options.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "core/error.h"
#include "core/units.h"
#include "server/setting_sources.h"
#include "server/setting_text.h"

namespace kv {
namespace {

// Below this, a message as large as the largest entry would not leave room for its field headers.
constexpr std::size_t kMessageOverheadBytes = 4 << 10;

// Later sources win; a value is checked even when a stronger source hides it, because it is a mistake all the same.
absl::Status merge(GivenSettings& into, const RawSettings& from) {
  for (const auto& [flag, raw] : from) {
    const SettingRow* row = find_setting(flag);
    if (row == nullptr) continue;  // "config", which names the file
    GivenSetting checked{{}, raw.source, raw.where};
    for (const std::string& text : raw.values) {
      const auto value = checked_value(*row, text);
      if (!value.ok()) {
        return error(Reason::kConfigInvalid, fmt::format("{} is '{}', but must be {}", raw.where, text, accepted(*row)),
                     {{"field", flag}});
      }
      checked.values.push_back(*value);
    }
    if (checked.values.empty()) {
      return error(Reason::kConfigInvalid, fmt::format("{} is empty, but must be {}", raw.where, accepted(*row)));
    }
    into[flag] = std::move(checked);
  }
  return absl::OkStatus();
}

class Reading {
 public:
  explicit Reading(const GivenSettings& settings) : settings_(settings) {}

  const std::string& text(const std::string& flag) const { return settings_.at(flag).values.front(); }
  const std::vector<std::string>& list(const std::string& flag) const { return settings_.at(flag).values; }
  std::size_t size(const std::string& flag) const { return *parse_size(text(flag)); }
  bool on(const std::string& flag) const { return text(flag) == "on"; }
  std::chrono::milliseconds duration(const std::string& flag) const { return *parse_duration(text(flag)); }
  std::size_t count(const std::string& flag, std::size_t automatic) const {
    return text(flag) == "auto" ? automatic : *parse_number(text(flag));
  }

 private:
  const GivenSettings& settings_;
};

SettingsRule rule_of(const std::string& word) {
  if (word == "startup") return SettingsRule::kStartup;
  return word == "stored" ? SettingsRule::kStored : SettingsRule::kLatest;
}

absl::StatusOr<Options> options_of(const GivenSettings& settings) {
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const Reading read(settings);
  Options options;
  options.listen = read.list("listen");
  if (read.text("http-listen") != "off") options.http_listen = read.text("http-listen");
  options.data_directory = read.text("data-dir");
  options.limits.key_bytes_max = read.size("max-key-bytes");
  options.limits.entry_bytes_max = read.size("max-entry-bytes");
  options.limits.legacy_keys_bytes_max = read.size("legacy-keys-max-bytes");
  options.limits.scan_budget_bytes = read.size("scan-budget");
  options.limits.scans_max = static_cast<unsigned>(read.count("max-scans", 16));
  options.message_bytes_max =
      std::max(read.size("max-message-bytes"), options.limits.entry_bytes_max + kMessageOverheadBytes);
  options.connections_max = read.count("max-connections", 0);
  options.streams_max = read.count("max-streams", 0);
  if (read.text("max-bytes-in-flight") != "auto") options.bytes_in_flight_max = read.size("max-bytes-in-flight");
  if (read.text("default-deadline") != "none") options.default_deadline = read.duration("default-deadline");
  if (read.text("max-connection-age") != "none") options.connection_age_max = read.duration("max-connection-age");
  options.completion_queues = read.count("completion-queues", std::clamp<std::size_t>(cores / 2, 1, 16));
  options.threads_per_queue = read.count("threads-per-queue", 1);
  options.shards = read.count("shards", std::clamp<std::size_t>(std::bit_ceil(cores * 16), 64, 4096));
  options.requests = {.age = read.duration("request-id-window"), .count = read.count("request-id-max", 0)};
  options.reflection = read.on("reflection");
  options.legacy_config = read.on("legacy-config");
  options.exit_on_disk_failure = read.text("on-disk-failure") == "exit";
  options.log_level = read.text("log-level");
  options.log_format = read.text("log-format");
  options.stop_timeout = read.duration("stop-timeout");
  options.settings_rule = rule_of(read.text("settings"));
  if (read.text("accept-data-loss") != "none") options.accept_data_loss = read.text("accept-data-loss");
  if (options.limits.key_bytes_max > options.limits.entry_bytes_max) {
    return error(Reason::kConfigInvalid,
                 fmt::format("--max-key-bytes is {}, but must not exceed --max-entry-bytes, which is {}",
                             read.text("max-key-bytes"), read.text("max-entry-bytes")));
  }
  for (const SettingRow& row : setting_rows()) {
    if (!row.stored) continue;
    const GivenSetting& setting = settings.at(std::string(row.flag));
    options.startup[std::string(row.flag)] = {setting.values.front(), setting.source != SettingSource::kDefault};
  }
  return options;
}

// What is said of one setting, whatever else may be wrong.
std::optional<std::string> flag_value(const std::vector<std::string>& arguments, std::string_view flag) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument == flag && i + 1 < arguments.size()) return arguments[i + 1];
    if (argument.starts_with(flag) && argument.substr(flag.size()).starts_with('=')) {
      return std::string(argument.substr(flag.size() + 1));
    }
  }
  return std::nullopt;
}

std::optional<std::string> variable(const Environment& environment, std::string_view flag) {
  const auto found = environment.find(environment_name(flag));
  return found == environment.end() ? std::nullopt : std::optional(found->second);
}

absl::StatusOr<GivenSettings> resolve(const RawFlags& flags, const Environment& environment) {
  GivenSettings settings;
  RawSettings defaults;
  for (const SettingRow& row : setting_rows()) {
    defaults[std::string(row.flag)] = {{std::string(row.default_text)}, SettingSource::kDefault, "default"};
  }
  const auto from_environment = settings_from_environment(environment);
  if (!from_environment.ok()) return from_environment.status();
  std::string path = flags.config_path;
  if (const auto named = from_environment->find("config"); path.empty() && named != from_environment->end()) {
    path = named->second.values.front();
  }
  absl::StatusOr<RawSettings> from_file = RawSettings();
  if (!path.empty()) from_file = settings_from_file(path);
  if (!from_file.ok()) return from_file.status();
  for (const auto& source :
       {std::cref(defaults), std::cref(*from_file), std::cref(*from_environment), std::cref(flags.settings)}) {
    if (const absl::Status merged = merge(settings, source); !merged.ok()) return merged;
  }
  return settings;
}

}  // namespace

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view line = *entry;
    const std::size_t equals = line.find('=');
    if (equals == line.npos) continue;
    environment.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return environment;
}

absl::StatusOr<CommandLine> read_command_line(const std::vector<std::string>& arguments,
                                              const Environment& environment) {
  const auto flags = settings_from_flags(arguments);
  if (!flags.ok()) return flags.status();
  CommandLine line{.action = flags->action, .options = {}, .settings = {}};
  if (line.action == Action::kHelp || line.action == Action::kVersion) return line;
  auto settings = resolve(*flags, environment);
  if (!settings.ok()) return settings.status();
  auto options = options_of(*settings);
  if (!options.ok()) return options.status();
  line.options = *std::move(options);
  line.settings = *std::move(settings);
  return line;
}

std::string refusal_format(const std::vector<std::string>& arguments, const Environment& environment) {
  constexpr std::string_view kFlag = "log-format";
  const std::string path = flag_value(arguments, "--config").value_or(variable(environment, "config").value_or(""));
  std::optional<std::string> in_file;
  if (!path.empty()) {
    const auto file = settings_from_file(path);
    if (file.ok() && file->contains(std::string(kFlag))) in_file = file->at(std::string(kFlag)).values.front();
  }
  for (const auto& said : {flag_value(arguments, "--log-format"), variable(environment, kFlag), in_file}) {
    if (!said) continue;
    if (auto word = checked_value(*find_setting(kFlag), *said); word.ok()) return *std::move(word);
  }
  return "text";
}

std::string help_text() {
  std::string text =
      "kvstore_server: a key-value server with a gRPC API\n\n"
      "Every setting is also an environment variable (KVSTORE_ and the name in capitals, with underscores)\n"
      "and a line 'name = value' of the file; a flag wins over the environment, that over the file.\n\n";
  const auto line = [&](std::string_view flag, std::string_view help) {
    text += fmt::format("  --{:<24} {}\n", flag, help);
  };
  for (const SettingRow& row : setting_rows()) {
    line(row.flag, fmt::format("{} (default {}; {})", row.help, row.default_text, accepted(row)));
    if (!row.old_name.empty()) line(row.old_name, fmt::format("the old name of --{}", row.flag));
  }
  line("config", "file of the same names");
  line("recover-only", "load the data as a start would, print the recovery report, stop cleanly, and exit");
  line("check-config", "read all settings, say what is wrong with them, and exit");
  line("print-config", "print the settings with their sources, as a file, and exit");
  line("version", "print the version and exit");
  line("help", "print this and exit");
  return text +
         "\nExit codes: 0 clean; 1 unexpected; 2 bad settings; 3 data damaged; 4 data directory in use;\n"
         "5 cannot bind; 6 stopped without saving everything.\n";
}

std::string config_text(const GivenSettings& settings) {
  std::string text;
  for (const SettingRow& row : setting_rows()) {
    const GivenSetting& setting = settings.at(std::string(row.flag));
    std::string values;
    for (const std::string& value : setting.values) {
      const char quote = value.find('"') == value.npos ? '"' : '\'';
      values += fmt::format("{}{}{}{}", values.empty() ? "" : ", ", quote, value, quote);
    }
    text += fmt::format("# {}\n{} = {}\n", setting.where, row.flag, row.repeatable ? "[" + values + "]" : values);
  }
  return text;
}

}  // namespace kv
