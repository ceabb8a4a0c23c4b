#include "client/cli/command_line.h"

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/commands.h"
#include "client/cli/health_probe.h"
#include "client/target.h"
#include "core/absl_text.h"
#include "core/units.h"

namespace kv {
namespace {

// What was given, before it is judged.
struct Words {
  std::optional<std::string> target, timeout, durability, output, color;
};

absl::Status refuse(std::string_view line) { return absl::InvalidArgumentError(to_absl(line)); }

// A value and the name under which it was given, for the message.
struct Given {
  std::string name;
  std::string value;
};

Given first_given(const std::optional<std::string>& flag, std::string_view flag_name,
                  std::initializer_list<const char*> variables, std::string_view fallback,
                  const Environment& environment) {
  if (flag) return {std::string(flag_name), *flag};
  for (const char* variable : variables) {
    const auto value = environment(variable);
    if (value && !value->empty()) return {variable, *value};
  }
  return {"default", std::string(fallback)};
}

template <class Value>
struct Choice {
  std::string_view word;
  Value value;
};

template <class Value, std::size_t size>
absl::Status choose(const std::optional<std::string>& word, std::string_view flag, const Choice<Value> (&choices)[size],
                    Value& chosen) {
  if (!word) return absl::OkStatus();
  std::string known;
  for (const Choice<Value>& choice : choices) {
    if (choice.word == *word) {
      chosen = choice.value;
      return absl::OkStatus();
    }
    known += fmt::format("{}{}", known.empty() ? "" : ", ", choice.word);
  }
  return refuse(fmt::format("{}: '{}' is none of {}", flag, *word, known));
}

constexpr Choice<kvstore::v1::Durability> kLevels[] = {{"memory", kvstore::v1::DURABILITY_MEMORY},
                                                       {"os", kvstore::v1::DURABILITY_OS},
                                                       {"disk", kvstore::v1::DURABILITY_DISK}};
constexpr Choice<OutputFormat> kFormats[] = {{"human", OutputFormat::kHuman},
                                             {"json", OutputFormat::kJson},
                                             {"raw", OutputFormat::kRaw},
                                             {"table", OutputFormat::kTable}};
constexpr Choice<ColorChoice> kColors[] = {
    {"auto", ColorChoice::kAuto}, {"always", ColorChoice::kAlways}, {"never", ColorChoice::kNever}};

void declare(CLI::App& app, Words& words, CommandLine& options) {
  app.set_help_flag("-h,--help", "Show this and leave");
  app.add_option("--target", words.target, "Server (KVSTORE_TARGET, KVSTORE_SERVER_ADDR) [127.0.0.1:50051]")
      ->type_name("HOST:PORT");
  app.add_option("--timeout", words.timeout, "Of one call, connecting included (KVSTORE_TIMEOUT) [5s]")
      ->type_name("DURATION");
  app.add_option("--output", words.output, "human, table, json (one object a line) or raw (only the data)")
      ->type_name("FORMAT");
  app.add_option("--durability", words.durability, "Of writes: memory, os or disk [what the server's mode gives]")
      ->type_name("LEVEL");
  app.add_option("--color", words.color, "auto, always or never [auto]")->type_name("WHEN");
  app.add_flag("--no-input", options.no_input, "Never ask a person: without a command, fail");
  app.add_flag("--quiet", options.quiet, "No word about what simply went well");
  app.add_flag("--keep-going", options.keep_going, "Piped input: go on after a line that failed");
  app.prefix_command();
  app.footer(
      "\n" + help_text() +
      "Without a command: interactive on a terminal, else one command a line from standard input.\n"
      "Exit codes: 0 done; 1 failed; 2 usage; 3 no such key; 4 server not reachable; 5 deadline; 6 not allowed;\n"
      "7 refused by state or limit; 8 data damaged; 130 interrupted.");
}

absl::Status judge_target(const Words& words, const Environment& environment, CommandLine& options) {
  const Given given =
      first_given(words.target, "--target", {"KVSTORE_TARGET", "KVSTORE_SERVER_ADDR"}, kDefaultTarget, environment);
  const auto target = parse_target(given.value);
  if (!target.ok()) return refuse(fmt::format("{}: {}", given.name, message_of(target.status())));
  options.target = *target;
  return absl::OkStatus();
}

absl::Status judge_timeout(const Words& words, const Environment& environment, CommandLine& options) {
  const Given given = first_given(words.timeout, "--timeout", {"KVSTORE_TIMEOUT"}, "5s", environment);
  const auto timeout = parse_duration(given.value);
  if (!timeout.ok() || *timeout < std::chrono::milliseconds(1) || *timeout > std::chrono::hours(24)) {
    return refuse(fmt::format("{}: '{}' is no duration from 1ms to 24h", given.name, given.value));
  }
  options.timeout = *timeout;
  return absl::OkStatus();
}

// Somebody who sets them relies on encryption, or on being known: to go on without would be worse than not at all.
absl::Status judge_secrets(const Environment& environment) {
  for (const char* variable : {"KVSTORE_TLS_CA", "KVSTORE_TLS_CERT", "KVSTORE_TLS_KEY", "KVSTORE_TOKEN_FILE"}) {
    if (!environment(variable).value_or("").empty()) {
      return refuse(fmt::format("{} is set, but this client has neither TLS nor authentication yet", variable));
    }
  }
  return absl::OkStatus();
}

absl::Status judge(const Words& words, const Environment& environment, CommandLine& options) {
  if (absl::Status status = judge_secrets(environment); !status.ok()) return status;
  if (absl::Status status = judge_target(words, environment, options); !status.ok()) return status;
  if (absl::Status status = judge_timeout(words, environment, options); !status.ok()) return status;
  if (absl::Status status = choose(words.durability, "--durability", kLevels, options.level); !status.ok())
    return status;
  if (absl::Status status = choose(words.output, "--output", kFormats, options.output); !status.ok()) return status;
  return choose(words.color, "--color", kColors, options.color);
}

}  // namespace

absl::StatusOr<CommandLine> parse_command_line(const std::string& program, std::vector<std::string> arguments,
                                               const Environment& environment) {
  arguments = translate_health_probe(program, std::move(arguments));
  CommandLine options;
  Words words;
  CLI::App app{"The command line of the key-value store. A command, with its own words, follows the options.",
               "kvstore_client"};
  bool version = false;
  app.add_flag("--version", version, "Show the version and leave");
  declare(app, words, options);
  try {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back.
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    options.message = app.help();
    return options;
  } catch (const CLI::ParseError& failure) {
    return refuse(fmt::format("{}; see kvstore_client --help", failure.what()));
  }
  options.command = app.remaining();
  if (version) options.command = {"version"};
  const bool unknown_option = !options.command.empty() && options.command.front().starts_with('-');
  if (unknown_option) {
    return refuse(fmt::format("unknown option {}; see kvstore_client --help", options.command.front()));
  }
  if (absl::Status judged = judge(words, environment, options); !judged.ok()) return judged;
  return options;
}

}  // namespace kv
