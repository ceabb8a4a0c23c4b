// Command after command: from a person at a terminal, or from the lines of a pipe or file.
//
// Threads: one. Lifetime: everything passed in outlives the call.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/console.h"
#include "client/cli/input.h"
#include "client/cli/printer.h"
#include "client/cli/runner.h"
#include "client/cli/terminal.h"

namespace kv {

// What the runner is to run for a typed line: its words. The text of a `txn` is one word, as it was typed (or what its
// quotes held, when it is in quotes as a whole): a transaction has quotes and separators of its own, and which of them
// were quoted is no longer known of words. Errors: those of line_words().
absl::StatusOr<std::vector<std::string>> session_words(std::string_view line);

// Until `exit`, Ctrl-D or the end of the terminal. Ctrl-C drops the line, or gives up the call that runs.
ExitCode run_interactive(Terminal& terminal, Runner& runner, Printer& printer, Console& console);

// Until `exit` or the end of the lines. The first line that fails ends it and gives the exit code; with `keep_going`
// the rest runs too. A miss is an answer, not a failure.
ExitCode run_lines(LineReader& lines, Runner& runner, Printer& printer, Console& console, bool keep_going);

}  // namespace kv
