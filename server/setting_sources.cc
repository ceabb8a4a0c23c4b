#include "server/setting_sources.h"

#include <algorithm>
#include <array>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "core/file_system.h"
#include "server/setting_text.h"

namespace kv {
namespace {

constexpr std::uint64_t kFileBytesMax = 1 << 20;

struct ActionFlag {
  std::string_view flag;
  Action action;
};
constexpr std::array kActions = {ActionFlag{"recover-only", Action::kRecoverOnly},
                                 ActionFlag{"check-config", Action::kCheckConfig},
                                 ActionFlag{"print-config", Action::kPrintConfig},
                                 ActionFlag{"version", Action::kVersion}, ActionFlag{"help", Action::kHelp}};

std::vector<std::string> known_names(std::string_view prefix, bool with_actions) {
  std::vector<std::string> names;
  for (const SettingRow& row : setting_rows()) {
    names.push_back(fmt::format("{}{}", prefix, row.flag));
    if (!row.old_name.empty()) names.push_back(fmt::format("{}{}", prefix, row.old_name));
  }
  if (with_actions) {
    names.push_back(fmt::format("{}config", prefix));
    for (const ActionFlag& a : kActions) names.push_back(fmt::format("{}{}", prefix, a.flag));
  }
  return names;
}

absl::Status unknown(std::string_view what, std::string_view name, const std::vector<std::string>& names) {
  const std::string meant = closest(name, names);
  return error(Reason::kConfigInvalid, meant.empty()
                                           ? fmt::format("unknown {} '{}'", what, name)
                                           : fmt::format("unknown {} '{}'; did you mean '{}'?", what, name, meant));
}

// Set for the command line client, or put into every container by an orchestrator; never meant for us.
bool is_foreign_variable(std::string_view name) {
  for (std::string_view ours : {"KVSTORE_TARGET", "KVSTORE_TIMEOUT", "KVSTORE_TOKEN_FILE", "KVSTORE_SERVER_ADDR"}) {
    if (name == ours) return true;
  }
  for (std::string_view clients : {"KVSTORE_TLS_CA", "KVSTORE_TLS_CERT", "KVSTORE_TLS_KEY"}) {
    if (name == clients) return true;
  }
  if (name.ends_with("_SERVICE_HOST") || name.ends_with("_PORT")) return true;
  if (name.find("_SERVICE_PORT") != name.npos) return true;
  const std::size_t port = name.find("_PORT_");
  return port != name.npos && name.find("_TCP", port + 5) != name.npos;
}

// CLI11 cuts a line at '#' even inside quotes, so comments are taken off before it sees the text.
std::string without_comment(const std::string& line) {
  char quote = '\0';
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (quote != '\0') {
      if (line[i] == quote) quote = '\0';
    } else if (line[i] == '"' || line[i] == '\'') {
      quote = line[i];
    } else if (line[i] == '#') {
      return line.substr(0, i);
    }
  }
  return line;
}

absl::StatusOr<std::string> without_comments(const std::string& text, const std::string& path) {
  std::istringstream lines(text);
  std::string result;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::string bare = CLI::detail::trim_copy(without_comment(line));
    if (bare.empty() || bare.front() == ';') continue;
    // CLI11 skips lines this short without a word.
    if (bare.size() < 3) {
      return error(Reason::kConfigInvalid, fmt::format("{} line {}: expected 'name = value'", path, number));
    }
    result += bare + "\n";
  }
  return result;
}

absl::Status add(RawSettings& settings, const SettingRow& row, std::vector<std::string> values, SettingSource source,
                 std::string where) {
  if (!row.repeatable && values.size() != 1) {
    return error(Reason::kConfigInvalid, fmt::format("{} is given {} values, but takes one", where, values.size()));
  }
  const auto [present, added] =
      settings.try_emplace(std::string(row.flag), GivenSetting{std::move(values), source, where});
  if (added) return absl::OkStatus();
  return error(Reason::kConfigInvalid, fmt::format("{} and {} name the same setting", present->second.where, where));
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(CLI::detail::trim_copy(part));
  return parts;
}

void declare(CLI::App& app) {
  for (const SettingRow& row : setting_rows()) {
    std::string names = fmt::format("--{}", row.flag);
    if (!row.old_name.empty()) names += fmt::format(",--{}", row.old_name);
    app.add_option(names)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
  app.add_option("--config")->expected(1);
  for (const ActionFlag& a : kActions) app.add_flag(a.flag == "help" ? "--help,-h" : fmt::format("--{}", a.flag));
}

}  // namespace

absl::StatusOr<RawFlags> settings_from_flags(const std::vector<std::string>& arguments) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  declare(app);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Error& failed) {
    return error(Reason::kConfigInvalid, failed.what());
  }
  for (const std::string& extra : app.remaining()) {
    const std::string name = extra.substr(0, extra.find('='));
    if (extra.starts_with('-')) return unknown("flag", name, known_names("--", true));
    return error(Reason::kConfigInvalid, fmt::format("unexpected argument '{}'", extra));
  }
  RawFlags flags;
  for (const ActionFlag& a : kActions) {
    if (app.count(fmt::format("--{}", a.flag)) != 0) flags.action = a.action;
  }
  if (app.count("--config") != 0) flags.config_path = app.get_option("--config")->results().front();
  for (const SettingRow& row : setting_rows()) {
    const CLI::Option& option = *app.get_option(fmt::format("--{}", row.flag));
    if (option.count() == 0) continue;
    const absl::Status added =
        add(flags.settings, row, option.results(), SettingSource::kFlag, fmt::format("--{}", row.flag));
    if (!added.ok()) return added;
  }
  return flags;
}

absl::StatusOr<RawSettings> settings_from_environment(const Environment& environment) {
  RawSettings settings;
  std::vector<std::string> names = {environment_name("config")};
  for (const std::string& flag : known_names("", false)) names.push_back(environment_name(flag));
  for (const auto& [name_given, value] : environment) {
    const std::string& name = name_given;  // clang 14 lets no lambda capture the name of a binding.
    if (!name.starts_with("KVSTORE_")) continue;
    if (name == environment_name("config")) {
      settings["config"] = {{value}, SettingSource::kEnvironment, name};
      continue;
    }
    const auto row = std::ranges::find_if(setting_rows(), [&](const SettingRow& r) {
      return environment_name(r.flag) == name || (!r.old_name.empty() && environment_name(r.old_name) == name);
    });
    if (row == setting_rows().end()) {
      if (is_foreign_variable(name)) continue;
      return unknown("environment variable", name, names);
    }
    const absl::Status added = add(settings, *row, row->repeatable ? split(value, ',') : std::vector{value},
                                   SettingSource::kEnvironment, name);
    if (!added.ok()) return added;
  }
  return settings;
}

absl::StatusOr<RawSettings> settings_from_file(const std::string& path) {
  const auto text = read_file(posix_file_system(), path, kFileBytesMax);
  if (!text.ok()) return error(Reason::kConfigInvalid, fmt::format("--config: {}", message_of(text.status())));
  const auto bare = without_comments(*text, path);
  if (!bare.ok()) return bare.status();

  std::vector<CLI::ConfigItem> items;
  try {
    std::istringstream stream(*bare);
    CLI::ConfigTOML parser;
    parser.comment('\x01');
    items = parser.from_config(stream);
  } catch (const std::exception& failed) {
    return error(Reason::kConfigInvalid, fmt::format("{}: {}", path, failed.what()));
  }
  RawSettings settings;
  for (const CLI::ConfigItem& item : items) {
    const SettingRow* row = item.parents.empty() ? find_setting(item.name) : nullptr;
    if (row == nullptr) return unknown(fmt::format("setting in {}:", path), item.fullname(), known_names("", false));
    const absl::Status added =
        add(settings, *row, item.inputs, SettingSource::kFile, fmt::format("{} in {}", item.name, path));
    if (!added.ok()) return added;
  }
  return settings;
}

}  // namespace kv
