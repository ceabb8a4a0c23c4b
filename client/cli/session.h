// Command after command: from a person at a terminal, or from the lines of a pipe or file.
//
// Threads: one. Lifetime: everything passed in outlives the call.
#pragma once

#include "client/cli/console.h"
#include "client/cli/input.h"
#include "client/cli/printer.h"
#include "client/cli/runner.h"
#include "client/cli/terminal.h"

namespace kv {

// Until `exit`, Ctrl-D or the end of the terminal. Ctrl-C drops the line, or gives up the call that runs.
ExitCode run_interactive(Terminal& terminal, Runner& runner, Printer& printer, Console& console);

// Until `exit` or the end of the lines. The first line that fails ends it and gives the exit code; with `keep_going`
// the rest runs too. A miss is an answer, not a failure.
ExitCode run_lines(LineReader& lines, Runner& runner, Printer& printer, Console& console, bool keep_going);

}  // namespace kv
