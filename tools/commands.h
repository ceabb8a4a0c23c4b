// The commands of kvstore_tool. Each takes what it needs and says on the screen what it found; docs/tool.md shows them.
//
// Threads: one. Errors: said on the screen; the exit code is the answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/file_system.h"
#include "tools/exit_code.h"
#include "tools/screen.h"

namespace kv::tools {

struct Words {
  std::string command;
  std::string path;                       // DIR, FILE or SNAPSHOTS
  std::string second_path;                // LOGS
  std::string to;                         // --to
  bool deep = false;                      // check
  bool take_likely = false;               // import-original
  bool stop_at_damage = false;            // repair
  std::optional<std::uint64_t> from;      // dump
  std::optional<std::uint64_t> revision;  // digest
  Format format = Format::kHuman;
};

ExitCode check(FileSystem& fs, const Words& words, Screen& screen);
ExitCode dump(FileSystem& fs, const Words& words, Screen& screen);
ExitCode digest(FileSystem& fs, const Words& words, Screen& screen);
ExitCode repair(FileSystem& fs, const Words& words, Screen& screen);
ExitCode import_original(FileSystem& fs, const Words& words, Screen& screen);
ExitCode disk_check(FileSystem& fs, const Words& words, Screen& screen);

// The whole program, on the disk of this machine, with the process's standard output and error.
int tool_main(std::vector<std::string> arguments);
// The same without the process: for tests.
ExitCode run_command(FileSystem& fs, const Words& words, Screen& screen);

// What a failed call means for the shell, after it was said.
ExitCode failed(Screen& screen, const absl::Status& why);

}  // namespace kv::tools
