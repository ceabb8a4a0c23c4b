// kvstore_client: puts the parts together. What each part does is in its header.
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <unistd.h>

#include "client/cli/command_line.h"
#include "client/cli/connection.h"
#include "client/cli/console.h"
#include "client/cli/history.h"
#include "client/cli/input.h"
#include "client/cli/key_finder.h"
#include "client/cli/printer.h"
#include "client/cli/question.h"
#include "client/cli/runner.h"
#include "client/cli/session.h"
#include "client/cli/signals.h"
#include "client/cli/terminal.h"
#include "core/absl_text.h"

namespace kv {
namespace {

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

// The libraries report what we report too, in their own words and on the same terminal.
void silence_libraries() {
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  google::protobuf::SetLogHandler(nullptr);
}

bool wants_color(ColorChoice choice) {
  if (choice != ColorChoice::kAuto) return choice == ColorChoice::kAlways;
  return ::isatty(STDERR_FILENO) && environment("NO_COLOR").value_or("").empty() && environment("TERM") != "dumb";
}

ExitCode run(const CommandLine& options, Console& console) {
  const bool one_shot = !options.command.empty();
  const bool person = ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO);
  const auto printer = make_printer(console, {options.output, options.quiet, !one_shot});
  if (!one_shot && options.no_input && ::isatty(STDIN_FILENO)) {
    printer->misused("no command, and --no-input forbids asking for one; see kvstore_client --help");
    return ExitCode::kUsage;
  }
  catch_interruptions();
  Connection connection({options.target, options.timeout, options.level, was_interrupted});
  const bool can_ask = !options.no_input && ::isatty(STDIN_FILENO) && ::isatty(STDERR_FILENO);
  const auto ask = [can_ask](std::string_view question) {
    return can_ask ? std::optional(ask_yes_no(question)) : std::nullopt;
  };
  Runner runner(connection, *printer, one_shot, ::isatty(STDERR_FILENO) ? stderr : nullptr, ask);
  if (one_shot) return runner.run(options.command);
  if (!person) {
    LineReader lines(STDIN_FILENO);
    return run_lines(lines, runner, *printer, console, options.keep_going);
  }
  catch_terminal_signals();
  LineHistory history(history_path(environment));
  KeyFinder finder([&](const std::string& prefix, std::size_t limit) { return connection.find_keys(prefix, limit); });
  Terminal terminal(history, [&](const std::string& prefix) { return finder.find(prefix); });
  return run_interactive(terminal, runner, *printer, console);
}

int client_main(const std::string& program, std::vector<std::string> arguments) {
  silence_libraries();
  const auto options = parse_command_line(program, std::move(arguments), environment);
  if (!options.ok()) {
    fmt::print(stderr, "kvstore_client: {}\n", message_of(options.status()));
    return static_cast<int>(ExitCode::kUsage);
  }
  Console console(stdout, stderr, {::isatty(STDOUT_FILENO) != 0, wants_color(options->color)});
  ExitCode code = ExitCode::kDone;
  if (options->message) {
    console.out(*options->message);
  } else {
    code = run(*options, console);
  }
  if (!console.flush() && code == ExitCode::kDone) {
    console.error("cannot write the output");
    code = ExitCode::kFailed;
  }
  return static_cast<int>(code);
}

}  // namespace
}  // namespace kv

int main(int argc, char** argv) {
  return kv::client_main(argc > 0 ? argv[0] : "",
                         argc > 1 ? std::vector<std::string>(argv + 1, argv + argc) : std::vector<std::string>());
}
