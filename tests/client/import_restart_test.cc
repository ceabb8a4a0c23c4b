// import and a server that is started anew: what it had confirmed in its memory only is not left out.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/import_state.h"
#include "core/descriptor.h"
#include "tests/client/cutting_proxy.h"
#include "tests/client/desk.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using namespace std::chrono_literals;
using kvstore::v1::Durability;

namespace {

std::vector<std::string> sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::string line_of(const std::string& key) { return R"({"key":")" + key + R"(","value":"v"})" + "\n"; }

}  // namespace

TEST_CASE("import: lines that were confirmed in memory only are there as long as the server's start is the same") {
  const ServerStart then{"data", "1"};
  const auto doubted = [](Durability level, const ServerStart& kept, const ServerStart& now) {
    return !why_lines_may_be_missing({.level = level, .server = kept}, now).empty();
  };
  CHECK_FALSE(doubted(kvstore::v1::DURABILITY_MEMORY, then, then));
  CHECK(doubted(kvstore::v1::DURABILITY_MEMORY, then, {"data", "2"}));
  CHECK(doubted(kvstore::v1::DURABILITY_MEMORY, {}, {}));
  CHECK(doubted(kvstore::v1::DURABILITY_MEMORY, then, {}));
  CHECK_FALSE(doubted(kvstore::v1::DURABILITY_OS, then, {"data", "2"}));
  CHECK_FALSE(doubted(kvstore::v1::DURABILITY_DISK, {}, then));
  CHECK(doubted(kvstore::v1::DURABILITY_DISK, then, {"other data", "1"}));
  const TempDirectory folder;
  const std::string state = folder.path() + "/state";
  std::ofstream(state) << R"({"file":"f","offset":5,"checksum":1})";  // Of an earlier version.
  CHECK(load_import_state(state, "f").value().level == kvstore::v1::DURABILITY_MEMORY);
  REQUIRE(save_import_state(state, "f", {.level = kvstore::v1::DURABILITY_OS, .server = then}).ok());
  const auto kept = load_import_state(state, "f");
  REQUIRE(kept.ok());
  CHECK(kept->level == kvstore::v1::DURABILITY_OS);
  CHECK_FALSE(started_anew(kept->server, then));
  std::ofstream(state, std::ios::trunc) << R"({"file":"f","offset":5,"checksum":1,"level":3})";
  CHECK(absl::IsInvalidArgument(load_import_state(state, "f").status()));
}

TEST_CASE("import: gone on with after a restart, it leaves out no line that the server had in memory only") {
  const auto [mode, lost] = GENERATE(table<std::string, bool>({{"snapshot", true}, {"aof", false}}));
  CAPTURE(mode);
  const TempDirectory folder;
  const std::string file = folder.path() + "/entries";
  const std::string import = "import " + file + " --state " + folder.path() + "/state";
  std::ofstream(file) << line_of("a") << line_of("b") << "oops\n";
  RunningServer server({folder.path() + "/data", {"--mode", mode}, {}, {}});
  Desk before(server.address());
  REQUIRE(before.type(import) == ExitCode::kUsage);
  CHECK((before.error.find("They are in the server's memory only") != std::string::npos) == lost);
  std::ofstream(file, std::ios::trunc) << line_of("a") << line_of("b") << line_of("c");
  server.kill();
  server.start();
  Desk after(server.address());
  CHECK(after.type(import) == ExitCode::kDone);
  CHECK(after.out == (lost ? "Imported 3 entries\n" : "Imported 1 entries\n"));
  const std::string again = "The first " + std::to_string(2 * line_of("a").size()) + " bytes are imported once more";
  CHECK((after.error.find(again) != std::string::npos) == lost);
  after.type("export");
  CHECK(sorted_lines(after.out) == sorted_lines(line_of("a") + line_of("b") + line_of("c")));
}

TEST_CASE("import: a restart in its middle that forgets lines is told, and they are imported again") {
  const TempDirectory folder;
  const std::string pipe = folder.path() + "/entries";
  const std::string import = "import " + pipe + " --state " + folder.path() + "/state";
  RunningServer server({folder.path() + "/data", {"--mode", "snapshot"}, {}, {}});
  CuttingProxy proxy(server.address());  // The address stays.
  std::signal(SIGPIPE, SIG_IGN);
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  bool all_written = false;
  std::thread person([&] {
    // The server that is started below must not have it, too: the pipe would have no end.
    const Descriptor out(::open(pipe.c_str(), O_WRONLY | O_CLOEXEC));
    const auto write = [&](const std::string& text) { return ::write(out.get(), text.data(), text.size()) > 0; };
    const bool first_written = write(line_of("a") + line_of("b"));
    {
      Client client({.target = server.address()});
      while (wait(client.call(methods::kGetStatus, kvstore::v1::GetStatusRequest()))->revision() < 2) {
      }
    }
    server.kill();
    server.start();
    proxy.lead_to(server.address());
    all_written = write(line_of("c")) && first_written;
  });
  Desk desk(proxy.target(), {.timeout = 60s});
  CHECK(desk.type(import) == ExitCode::kRefused);
  CHECK_THAT(desk.error, Catch::Matchers::Contains("the server was started anew meanwhile"));
  person.join();
  CHECK(all_written);
  std::filesystem::remove(pipe);
  std::ofstream(pipe) << line_of("a") << line_of("b") << line_of("c");
  CHECK(desk.type(import) == ExitCode::kDone);
  desk.type("export");
  CHECK(sorted_lines(desk.out) == sorted_lines(line_of("a") + line_of("b") + line_of("c")));
}
