// Whole data directories as version 1 wrote them, which every later version starts on: tests/testdata/golden-1. The
// server serves what golden-1/expected.json says, and the tool, with readers of its own, says the same.
//
//   aof       killed in the middle of a write: a base, several segments, a torn tail
//   hybrid    killed: two snapshots and the log behind them
//   snapshot  a clean stop: two snapshots
//
// They are never written anew, else they would be of another version: a format that changes gets directories beside
// them.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tests/persistence/storage_fixture.h"
#include "tests/support/source_tree.h"
#include "tests/tools/agreement.h"
#include "tests/tools/tool_fixture.h"

namespace kv {
namespace {

constexpr Mode kModes[] = {Mode::kAof, Mode::kHybrid, Mode::kSnapshot};

std::string name_of(Mode mode) {
  std::string name(word(mode));
  for (char& letter : name) letter = static_cast<char>(std::tolower(letter));
  return name;
}
std::string golden(const std::string& below) { return source_path("tests/testdata/golden-1/" + below); }

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// All that a start must find. Keys and values as hex: they are any bytes.
nlohmann::json state_of(const StorageFixture& server) {
  nlohmann::json entries = nlohmann::json::object();
  for (const auto& [key, value] : server.data()) entries[hex(key)]["value"] = hex(value);
  for (const auto& [key, due] : server.expiries()) entries[hex(key)]["expire_at"] = due;
  return {{"digest", fmt::format("{:016x}", server.totals().digest)},
          {"request_ids", server.request_ids()},
          {"entries", entries}};
}

nlohmann::json expected(Mode mode) {
  std::ifstream file(golden("expected.json"));
  return nlohmann::json::parse(file).at(name_of(mode));
}

TEST_CASE("golden: the server starts on each directory of version 1, serves what was written, and goes on") {
  const Mode mode = GENERATE(from_range(std::begin(kModes), std::end(kModes)));
  INFO(word(mode));
  StorageFixture server(mode);
  server.adopt(golden(name_of(mode)));
  const bool torn = mode == Mode::kAof;
  server.start();
  CHECK(server.logged("torn tail: ") == torn);
  CHECK(state_of(server) == expected(mode));
  server.put("again", "1");
  const nlohmann::json state = state_of(server);
  server.restart();
  CHECK(state_of(server) == state);
  CHECK(server.data().at("again") == "1");
}

TEST_CASE("golden: the tool finds each directory of version 1 sound, and the digest that the server serves") {
  const Mode mode = GENERATE(from_range(std::begin(kModes), std::end(kModes)));
  INFO(word(mode));
  StorageFixture copy(mode);  // The tool locks what it reads.
  copy.adopt(golden(name_of(mode)));
  const nlohmann::json state = expected(mode);
  tools::Words check = words("check", copy.path());
  check.deep = true;
  const ToolRun run(check);
  INFO(run.out());
  CHECK(run.code() == 0);
  const auto report = run.object();
  CHECK(report["sound"] == true);
  CHECK(report["start"] == "serves");
  CHECK(report["mode"] == word(mode));
  CHECK(report["clean"] == (mode == Mode::kSnapshot));
  CHECK(report["torn_tail"].is_null() == (mode != Mode::kAof));
  CHECK(report["keys"] == state["entries"].size());
  CHECK(report["request_ids"] == state["request_ids"]);
  CHECK(report["digest"] == state["digest"]);
  CHECK(ToolRun(words("digest", copy.path())).object()["digest"] == state["digest"]);
}

// A life with something of everything that a file of version 1 can hold.
void live(StorageFixture& server, Mode mode) {
  const auto record = [&](std::vector<Mutation> mutations) { REQUIRE(server.try_record(mutations).ok()); };
  const auto keep = [&] {
    if (mode == Mode::kAof) REQUIRE(server.rewrite().ok());
    if (mode != Mode::kAof) REQUIRE(server.snapshot().ok());
  };
  constexpr UnixMillis kIn2100 = 4'102'444'800'000;
  server.start();
  server.put("plain", "a value");
  server.put("gone", "deleted before the first snapshot");
  server.put("replaced", "old");
  record({{.expire_at = kIn2100, .key = "lease", .value = "until 2100"}});
  server.erase("gone");
  server.put_once({.id = {std::byte{1}}, .request_hash = 2, .applied = true}, "once", "1");
  keep();
  server.put("replaced", "new");
  server.put("large", std::string(600, 'x'));
  server.kill_and_start();
  server.put("", "the empty key");
  server.put("empty", "");
  server.put(std::string("\0\xff\n", 3), std::string("\0 bytes \xff", 9));
  record({{.key = "left", .value = "of one record"}, {.key = "right", .value = "of one record"}});
  if (mode != Mode::kAof) keep();
  record({{.key = "left", .value = "again"}, {.kind = MutationKind::kDelete, .key = "right", .value = {}}});
  server.remember({.id = {std::byte{2}}, .request_hash = 3, .value = -1});
  server.put("last", "behind every snapshot");
}

// Not run by ctest. `tools_test "[write-golden]"`, with KV_GOLDEN a new directory: for a version to come.
TEST_CASE("golden directories: write those of this version", "[.][write-golden]") {
  const char* const target = std::getenv("KV_GOLDEN");
  REQUIRE(target != nullptr);
  nlohmann::json all;
  for (const Mode mode : kModes) {
    StorageFixture server(mode);
    live(server, mode);
    all[name_of(mode)] = state_of(server);
    if (mode == Mode::kSnapshot) REQUIRE(server.stop().ok());
    server.kill();
    Files files = files_in(server.path(), 8);
    files.erase("RECOVERY");  // A report of one start, and of this machine.
    if (mode == Mode::kAof) {
      // The segment that was written last, with the beginning of one more batch that no start believes.
      for (auto& [name, bytes] : files) {
        if (bytes.find("behind every snapshot") != bytes.npos) bytes += "torn by a kill";
      }
    }
    for (const auto& [name, bytes] : files) {
      const std::filesystem::path path = std::filesystem::path(target) / name_of(mode) / name;
      std::filesystem::create_directories(path.parent_path());
      std::ofstream(path, std::ios::binary) << bytes;
    }
  }
  std::ofstream(std::filesystem::path(target) / "expected.json") << all.dump(2) << '\n';
}

}  // namespace
}  // namespace kv
