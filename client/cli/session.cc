#include "client/cli/session.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "client/cli/commands.h"
#include "client/cli/line.h"
#include "client/cli/signals.h"
#include "core/absl_text.h"

namespace kv {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// What stands behind the word `txn` of a line that begins with it.
std::optional<std::string_view> text_of_txn(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::size_t end = std::min(line.find_first_of(kBlanks), line.size());
  const CommandInfo* command = find_command(line.substr(0, end));
  if (command == nullptr || command->verb != Verb::kTxn) return std::nullopt;
  line.remove_prefix(end);
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  return line;
}

bool is_exit(const std::vector<std::string>& words) {
  const CommandInfo* command = words.empty() ? nullptr : find_command(words.front());
  return command != nullptr && command->verb == Verb::kExit;
}

struct LineResult {
  ExitCode code = ExitCode::kDone;
  bool leave = false;
};

LineResult run_line(std::string_view line, Runner& runner, Printer& printer) {
  const auto words = session_words(line);
  if (!words.ok()) {
    printer.misused(message_of(words.status()));
    return {ExitCode::kUsage};
  }
  if (is_exit(*words)) return {ExitCode::kDone, true};
  return {runner.run(*words)};
}

}  // namespace

absl::StatusOr<std::vector<std::string>> session_words(std::string_view line) {
  const auto text = text_of_txn(line);
  if (!text || text->empty()) return line_words(line);
  const std::string txn(find_command("txn")->name);
  if (text->front() != '\'' && text->front() != '"') return std::vector<std::string>{txn, std::string(*text)};
  auto words = line_words(line);  // In quotes as a whole, it is the second word and the last.
  if (!words.ok() || words->size() == 2) return words;
  return std::vector<std::string>{txn, std::string(*text)};
}

ExitCode run_interactive(Terminal& terminal, Runner& runner, Printer& printer, Console& console) {
  printer.greeting();
  bool connected = true;
  for (;;) {
    console.flush();
    const TypedLine typed = terminal.read_line(connected ? "> " : "(not connected) > ");
    if (typed.event == TypedLine::Event::kDropped) continue;
    if (typed.event == TypedLine::Event::kEnd) {
      console.out("\n");
      break;
    }
    const LineResult result = run_line(typed.line, runner, printer);
    if (result.leave) break;
    if (was_told_to_end()) break;
    if (result.code == ExitCode::kUnreachable) connected = false;
    if (result.code == ExitCode::kDone || result.code == ExitCode::kMissing) connected = true;
  }
  printer.farewell();
  return was_told_to_end() ? ExitCode::kInterrupted : ExitCode::kDone;
}

ExitCode run_lines(LineReader& lines, Runner& runner, Printer& printer, Console& console, bool keep_going) {
  ExitCode first_failure = ExitCode::kDone;
  for (;;) {
    const auto line = lines.next();
    if (!line.ok()) {
      printer.failed("Input", line.status());
      return exit_code_of(line.status());
    }
    if (!*line) return first_failure;
    const LineResult result = run_line(**line, runner, printer);
    if (result.leave) {
      printer.farewell();
      return first_failure;
    }
    console.flush();  // Whoever feeds us line by line waits for this answer.
    if (result.code == ExitCode::kDone || result.code == ExitCode::kMissing) continue;
    if (first_failure == ExitCode::kDone) first_failure = result.code;
    if (keep_going && result.code != ExitCode::kInterrupted) continue;
    console.note(fmt::format("stopped at line {}", lines.line_number()));
    return result.code;
  }
}

}  // namespace kv
