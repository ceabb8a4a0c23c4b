// The examples of `help COMMAND`, typed at the built server in the order of the table.
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

#include "client/cli/admin_settings.h"
#include "client/cli/commands.h"
#include "tests/client/desk.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;

namespace {

// Files of the examples lie in the folder.
std::string in_folder(std::string line, const std::string& folder) {
  for (std::size_t at = 0; line.starts_with("import") && (at = line.find("users.", at)) != line.npos;) {
    line.insert(at, folder + "/");
    at += folder.size() + 7;
  }
  return line;
}

}  // namespace

TEST_CASE("help: every example is a line of its command, does something, and is shown") {
  TempDirectory folder;
  RunningServer server({folder.file("data"), {"--mode", "HYBRID"}, {}, {}});
  std::ofstream(folder.file("users.jsonl")) << R"({"key":"user:2","value":"marie"})" << '\n';
  Desk desk(server.address());
  for (const CommandInfo& command : commands()) {
    std::istringstream lines{std::string(command.examples)};
    for (std::string line; std::getline(lines, line);) {
      CAPTURE(line);
      CHECK(line.starts_with(std::string(command.name)));
      CHECK(help_text(command).find("  " + line + "\n") != std::string::npos);
      const ExitCode code = desk.type(in_folder(line, folder.path()));
      CAPTURE(desk.error);
      CHECK((code == ExitCode::kDone || code == ExitCode::kMissing));
    }
  }
}

TEST_CASE("help: every command has an example, but for the end of the session") {
  for (const CommandInfo& command : commands()) {
    if (command.verb == Verb::kExit) continue;
    CAPTURE(command.name);
    CHECK(command.examples.ends_with('\n'));
  }
}

TEST_CASE("help: the options of every command are in its help, and config set takes those that are offered") {
  for (const CommandInfo& command : commands()) {
    for (const WordOption& option : command.options) {
      CAPTURE(command.name, option.name);
      CHECK(help_text(command).find(std::string(option.name)) != std::string::npos);
    }
  }
  for (const WordOption& option : find_command("config")->options) {
    std::vector<std::string> words = {"mode=aof"};
    words.emplace_back(option.name);
    if (option.has_value) words.emplace_back("1");
    CHECK(parse_config_set(words).ok());
  }
}
