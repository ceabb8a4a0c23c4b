#include "client/cli/runner.h"

#include <algorithm>

#include <fmt/format.h>

#include "client/cli/config_arguments.h"
#include "client/cli/glob.h"
#include "client/cli/input.h"
#include "client/cli/shell_completion.h"
#include "core/absl_text.h"

namespace kv {

std::string joined_by_blanks(std::span<const std::string> words) {
  std::string text;
  for (const std::string& word : words) {
    if (&word != words.data()) text += ' ';
    text += word;
  }
  return text;
}

ExitCode Runner::run(const std::vector<std::string>& words) {
  if (words.empty()) return ExitCode::kDone;
  const CommandInfo* command = find_command(words.front());
  if (command == nullptr) return misused(fmt::format("Unknown command. Available commands: {}", kOriginalCommands));
  const Arguments arguments = Arguments(words).subspan(1);
  if (command->verb == Verb::kConfig) return config(arguments);  // Each mode has its own usage line.
  if (arguments.size() < command->arguments_min || arguments.size() > command->arguments_max) {
    return misused(fmt::format("Usage: {}", command->usage));
  }
  return dispatch(*command, arguments);
}

ExitCode Runner::dispatch(const CommandInfo& command, Arguments arguments) {
  switch (command.verb) {
    case Verb::kSet:
      return set(arguments);
    case Verb::kGet:
      return get(arguments.front());
    case Verb::kDel:
      return del(arguments);
    case Verb::kKeys:
      return keys(arguments);
    case Verb::kConfig:
      return config(arguments);
    case Verb::kCas:
      return cas(arguments);
    case Verb::kTtl:
      return ttl(arguments.front());
    case Verb::kTxn:
      return txn(arguments);
    case Verb::kExport:
      return export_entries(arguments);
    case Verb::kImport:
      return import_file(arguments);
    case Verb::kExpire:
      return expire(arguments);
    case Verb::kIncr:
      return incr(arguments);
    case Verb::kAppend:
      return append(arguments);
    case Verb::kMget:
      return mget(arguments);
    case Verb::kScan:
      return scan(arguments);
    case Verb::kDelrange:
      return delrange(arguments);
    case Verb::kStatus:
      return status();
    case Verb::kStats:
      return stats(arguments);
    case Verb::kSlow:
      return slow(arguments);
    case Verb::kBig:
      return big(arguments);
    case Verb::kSnapshot:
      return snapshot(arguments);
    case Verb::kSnapshots:
      return snapshots();
    case Verb::kRewriteLog:
      return rewrite_log(arguments);
    case Verb::kHealth:
      return health(arguments);
    case Verb::kHelp:
      return help(arguments);
    case Verb::kCompletion:
      return completion(arguments.front());
    case Verb::kVersion:
      printer_.version(KV_VERSION);
      return ExitCode::kDone;
    case Verb::kExit:
      return ExitCode::kDone;  // Leaving is the session's business.
  }
  return ExitCode::kFailed;
}

ExitCode Runner::misused(std::string_view line) {
  printer_.misused(line);
  return ExitCode::kUsage;
}

ExitCode Runner::failed(std::string_view verb, const absl::Status& status) {
  printer_.failed(verb, status);
  return exit_code_of(status);
}

ExitCode Runner::read_value(std::string_view verb, std::string* value) {
  if (!one_shot_) return ExitCode::kDone;
  auto bytes = value_of_word(*value);
  if (!bytes.ok()) return failed(verb, bytes.status());
  *value = *std::move(bytes);
  return ExitCode::kDone;
}

ExitCode Runner::set(Arguments arguments) {
  const std::string& key = arguments.front();
  const Arguments words = arguments.subspan(1);
  std::string value = joined_by_blanks(words);
  if (words.size() == 1) {
    if (const ExitCode read = read_value("Set", &value); read != ExitCode::kDone) return read;
  }
  const auto receipt = connection_.set(key, value);
  if (!receipt.ok()) return failed("Set", receipt.status());
  printer_.stored(key, *receipt);
  return ExitCode::kDone;
}

ExitCode Runner::get(const std::string& key) {
  const auto value = connection_.get(key);
  if (!value.ok()) return failed("Get", value.status());
  if (!*value) {
    printer_.missing(key);
    return ExitCode::kMissing;
  }
  printer_.value(key, **value);
  return ExitCode::kDone;
}

ExitCode Runner::del(Arguments keys) {
  ExitCode result = ExitCode::kDone;
  for (const std::string& key : keys) {
    const auto deletion = connection_.remove(key);
    if (!deletion.ok()) return failed("Del", deletion.status());
    printer_.deleted(key, *deletion, keys.size() > 1);
    if (!deletion->existed) result = ExitCode::kMissing;
  }
  return result;
}

ExitCode Runner::keys(Arguments pattern) {
  auto list = connection_.keys();
  if (!list.ok()) return failed("Keys", list.status());
  if (!pattern.empty()) {
    std::erase_if(list->keys, [&](const std::string& key) { return !glob_matches(pattern.front(), key); });
  }
  std::sort(list->keys.begin(), list->keys.end());
  printer_.keys(*list);
  return ExitCode::kDone;
}

ExitCode Runner::config(Arguments arguments) {
  const std::string word = arguments.empty() ? "" : in_lower_case(arguments.front());
  if (word == "get") return config_get(arguments.subspan(1));
  if (word == "set") return config_set(arguments.subspan(1));
  const auto request = parse_config(arguments);
  if (!request.ok()) return misused(message_of(request.status()));
  const auto change = connection_.config(*request);
  if (!change.ok()) return failed("Config", change.status());
  printer_.configured(kModeWords[request->storage_mode()], *change);
  return ExitCode::kDone;
}

ExitCode Runner::health(Arguments service) {
  const std::string name = service.empty() ? "" : service.front();
  auto status = connection_.health(name);
  if (absl::IsNotFound(status.status())) status = "SERVICE_UNKNOWN";
  if (!status.ok()) return failed("Health", status.status());
  printer_.health(name, *status);
  if (*status == "SERVING") return ExitCode::kDone;
  return *status == "SERVICE_UNKNOWN" ? ExitCode::kUsage : ExitCode::kRefused;
}

ExitCode Runner::completion(std::string_view shell) {
  const auto script = shell_completion(shell);
  if (!script) return misused(fmt::format("Usage: {}", find_command("completion")->usage));
  printer_.text(*script);
  return ExitCode::kDone;
}

ExitCode Runner::help(Arguments name) {
  if (name.empty()) {
    printer_.text(help_text());
    return ExitCode::kDone;
  }
  const CommandInfo* command = find_command(name.front());
  if (command == nullptr) return misused(fmt::format("Unknown command. Available commands: {}", kOriginalCommands));
  printer_.text(help_text(*command));
  return ExitCode::kDone;
}

}  // namespace kv
