// The command line of kvstore_tool, and what goes wrong in all commands alike.
#include <algorithm>
#include <array>
#include <cstdlib>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "core/absl_text.h"
#include "tools/commands.h"
#include "tools/file_view.h"

namespace kv::tools {
namespace {

struct Command {
  std::string_view name;
  ExitCode (*run)(FileSystem&, const Words&, Screen&);
};

constexpr Command kCommands[] = {{"check", check},
                                 {"dump", dump},
                                 {"digest", digest},
                                 {"repair", repair},
                                 {"import-original", import_original},
                                 {"disk-check", disk_check}};

void add_output(CLI::App& app, std::string& output) {
  app.add_option("--output", output, "human, or json: one object a line [human]")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"human", "json"}));
}

// One subcommand a command; each knows its own words only.
void declare(CLI::App& app, Words& words, std::string& output) {
  app.require_subcommand(1);
  add_output(app, output);
  app.footer(
      "Works on files, never on a running server. Exit codes: 0 done, or sound; 1 failed; 2 usage; 3 imported, with\n"
      "doubtful lines; 7 the directory is in use, NEW is there already, or there is not enough room; 8 damage found,\n"
      "or something lost.");
  const auto command = [&](const std::string& name, const std::string& text) {
    CLI::App* made = app.add_subcommand(name, text);
    add_output(*made, output);
    return made;
  };
  CLI::App* check = command("check", "Verify a data directory; report what a start would make of it");
  check->add_option("DIR", words.path, "Data directory")->required();
  check->add_flag("--deep", words.deep, "Also what no start reads: older snapshots (compared with the log), past/");
  CLI::App* dump = command("dump", "Show what a file holds, as JSON lines");
  dump->add_option("FILE", words.path, "A segment, a snapshot or MANIFEST")->required();
  dump->add_option("--from", words.from, "Begin with the first batch or block at or behind this offset")
      ->type_name("OFFSET");
  CLI::App* digest = command("digest", "Print the digest of the state that a start would serve");
  digest->add_option("DIR", words.path, "Data directory")->required();
  digest->add_option("--revision", words.revision, "Of the state at this revision, where what is left leads to it")
      ->type_name("N");
  CLI::App* repair = command("repair", "Write a sound copy, and list exactly what is lost");
  repair->add_option("DIR", words.path, "Data directory; it is not touched")->required();
  repair->add_option("--to", words.to, "Directory to make; it must not be there")->required()->type_name("NEW");
  repair->add_flag("--stop-at-damage", words.stop_at_damage,
                   "Keep nothing behind the first damage: the exact state at one revision");
  CLI::App* import = command("import-original", "Make a store of the Go project's snapshots and logs");
  import->add_option("SNAPSHOTS", words.path, "Its folder of snapshot-*.rdb")->required();
  import->add_option("LOGS", words.second_path, "Its folder of appendonly-*.aof")->required();
  import->add_option("--to", words.to, "Directory to make; it must not be there")->required()->type_name("NEW");
  import->add_flag("--take-likely", words.take_likely,
                   "Import doubtful lines as they seem to be meant (listed all the same)");
  CLI::App* disk = command("disk-check", "Measure what the disk does for durability, and whether it has room");
  disk->add_option("DIR", words.path, "Where the data is, or will be")->required();
}

// The word that stands where a command should, when it is none. CLI11 only says that a command is missing.
std::string unknown_command(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].starts_with('-')) {
      i += arguments[i] == "--output" ? 1 : 0;
      continue;
    }
    const bool known = std::any_of(std::begin(kCommands), std::end(kCommands),
                                   [&](const Command& one) { return one.name == arguments[i]; });
    return known ? "" : harmless(arguments[i]);
  }
  return {};
}

}  // namespace

ExitCode failed(Screen& screen, const absl::Status& why) {
  const bool refused = absl::IsFailedPrecondition(why) || absl::IsAlreadyExists(why);
  const bool usage = absl::IsNotFound(why) || absl::IsInvalidArgument(why);
  const ExitCode code = is_damage(why) ? ExitCode::kDamage
                        : refused      ? ExitCode::kRefused
                        : usage        ? ExitCode::kUsage
                                       : ExitCode::kFailed;
  constexpr std::array<std::string_view, 4> kWords = {"FAILED", "USAGE", "REFUSED", "DAMAGE"};
  screen.error(kWords[is_damage(why) ? 3 : refused ? 2 : usage ? 1 : 0], message_of(why));
  return code;
}

ExitCode run_command(FileSystem& fs, const Words& words, Screen& screen) {
  const auto* command = std::find_if(std::begin(kCommands), std::end(kCommands),
                                     [&](const Command& one) { return one.name == words.command; });
  const ExitCode code = command->run(fs, words, screen);
  if (screen.flush() || code != ExitCode::kDone) return code;
  screen.error("FAILED", "cannot write the output");
  return ExitCode::kFailed;
}

int tool_main(std::vector<std::string> arguments) {
  CLI::App app{"Looks into the files of the key-value store, checks and repairs them.", "kvstore_tool"};
  Words words;
  std::string output = "human";
  app.set_version_flag("--version", std::string("kvstore_tool ") + KV_VERSION);
  declare(app, words, output);
  const std::vector<std::string> given = arguments;
  try {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back.
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& failure) {
    if (failure.get_exit_code() == 0) return app.exit(failure);  // --help, --version
    const std::string unknown = unknown_command(given);
    fmt::print(stderr, "kvstore_tool: {}; see kvstore_tool --help\n",
               unknown.empty() ? failure.what() : fmt::format("there is no command '{}'", unknown));
    return static_cast<int>(ExitCode::kUsage);
  }
  words.command = app.get_subcommands().front()->get_name();
  words.format = output == "json" ? Format::kJson : Format::kHuman;
  Screen screen(stdout, stderr, ::isatty(STDERR_FILENO) ? stderr : nullptr, words.format);
  try {
    return static_cast<int>(run_command(posix_file_system(), words, screen));
  } catch (const std::bad_alloc&) {
    return static_cast<int>(
        failed(screen, absl::ResourceExhaustedError("not enough memory for the keys of this store")));
  }
}

}  // namespace kv::tools
