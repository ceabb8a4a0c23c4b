#include "client/cli/session.h"

#include <fmt/format.h>

#include "client/cli/commands.h"
#include "client/cli/line.h"
#include "client/cli/signals.h"
#include "core/absl_text.h"

namespace kv {
namespace {

bool is_exit(const std::vector<std::string>& words) {
  const CommandInfo* command = words.empty() ? nullptr : find_command(words.front());
  return command != nullptr && command->verb == Verb::kExit;
}

struct LineResult {
  ExitCode code = ExitCode::kDone;
  bool leave = false;
};

LineResult run_line(std::string_view line, Runner& runner, Printer& printer) {
  const auto words = line_words(line);
  if (!words.ok()) {
    printer.misused(message_of(words.status()));
    return {ExitCode::kUsage};
  }
  if (is_exit(*words)) return {ExitCode::kDone, true};
  return {runner.run(*words)};
}

}  // namespace

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
