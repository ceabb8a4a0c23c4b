// Runs one command: checks its words, makes the call, prints the answer, says how it ended.
//
// Threads: one. Lifetime: connection and printer outlive the runner.
#pragma once

#include <chrono>
#include <cstdio>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/cli/commands.h"
#include "client/cli/connection.h"
#include "client/cli/exit_code.h"
#include "client/cli/printer.h"
#include "client/cli/word_options.h"

namespace kv {

class Runner {
 public:
  // `one_shot`: the words come from the shell's command line, where `set K -` and `set K @FILE` name the value's
  // source.
  // `bar`: where the progress of long work is drawn, or null. `ask_person` puts a question and gives the answer, or
  // nothing where nobody can be asked; it may be empty.
  using AskPerson = std::function<std::optional<bool>(std::string_view question)>;
  Runner(Connection& connection, Printer& printer, bool one_shot, std::FILE* bar = nullptr, AskPerson ask_person = {})
      : connection_(connection),
        printer_(printer),
        one_shot_(one_shot),
        bar_(bar),
        ask_person_(std::move(ask_person)) {}

  // words[0] is the command. No words: nothing to do.
  ExitCode run(const std::vector<std::string>& words);

 private:
  using Arguments = std::span<const std::string>;

  ExitCode dispatch(const CommandInfo& command, Arguments arguments);
  ExitCode set(Arguments arguments);
  ExitCode get(const std::string& key);
  ExitCode del(Arguments keys);
  ExitCode keys(Arguments pattern);
  ExitCode config(Arguments arguments);
  ExitCode health(Arguments service);
  // value_commands.cc
  ExitCode cas(Arguments arguments);
  ExitCode ttl(const std::string& key);
  // transaction_command.cc
  ExitCode txn(Arguments arguments);
  // import_command.cc, export_command.cc
  ExitCode import_file(Arguments arguments);
  ExitCode export_entries(Arguments arguments);
  // counter_commands.cc
  ExitCode incr(Arguments arguments);
  ExitCode append(Arguments arguments);
  ExitCode expire(Arguments arguments);
  // scan_commands.cc
  ExitCode mget(Arguments keys);
  ExitCode scan(Arguments arguments);
  ExitCode delrange(Arguments arguments);
  // The admin service (admin_commands.cc).
  ExitCode config_get(Arguments names);
  ExitCode config_set(Arguments pairs);
  ExitCode status();
  // observe_commands.cc
  ExitCode stats(Arguments arguments);
  ExitCode slow(Arguments arguments);
  ExitCode big(Arguments arguments);
  // Calls show() once, or, of words with --watch, until it fails, --rounds are over, or somebody interrupts.
  ExitCode again_and_again(const SortedWords& words, std::chrono::milliseconds every,
                           const std::function<ExitCode()>& show);
  ExitCode snapshot(Arguments arguments);
  ExitCode snapshots();
  ExitCode rewrite_log(Arguments arguments);
  ExitCode help(Arguments command);
  ExitCode completion(std::string_view shell);
  // Of `-` and `@FILE` on the shell's command line, what they stand for.
  ExitCode read_value(std::string_view verb, std::string* value);
  ExitCode misused(std::string_view line);
  ExitCode failed(std::string_view verb, const absl::Status& status);

  Connection& connection_;
  Printer& printer_;
  const bool one_shot_;
  std::FILE* const bar_;
  const AskPerson ask_person_;
};

// The words of a value that was not quoted.
std::string joined_by_blanks(std::span<const std::string> words);

}  // namespace kv
