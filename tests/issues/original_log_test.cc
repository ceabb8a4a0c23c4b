// The faults of the original that lost or changed what its log held, each under its own name. Every case has a patch in
// tests/planted that puts the fault back and must turn the case red.
#include <filesystem>

#include <catch2/catch.hpp>

#include "tests/issues/session.h"
#include "tests/support/file_watch.h"

namespace kv {

using kvstore::AOF;
using kvstore::HYBRID;
using kvstore::NON_PERSISTENT;
using kvstore::SNAPSHOT;

TEST_CASE("D1: the log is read back at start, in AOF and in HYBRID") {
  const std::string mode = GENERATE("aof", "hybrid");
  Session session({"--mode", mode});
  session.set("user", "johndoe");
  session.set("gone", "x");
  session.del("gone");
  session.kill_and_start();
  CHECK(session.get("user") == "johndoe");
  CHECK(session.keys() == std::vector<std::string>{"user"});
}

TEST_CASE("D5: a snapshot of a former mode never comes back as if it were current") {
  Session session({"--mode", "snapshot"});
  session.set("key", "old");
  session.set("deleted later", "old");
  session.take_snapshot();
  session.config(AOF);
  session.set("key", "new");
  session.del("deleted later");
  session.kill_and_start();
  CHECK(session.get("key") == "new");
  CHECK(session.keys() == std::vector<std::string>{"key"});

  session.config(NON_PERSISTENT);
  session.stop_and_start();
  CHECK(session.keys().empty());
}

TEST_CASE("D6: a switch to AOF writes a base of what was there before") {
  const auto into = GENERATE(AOF, HYBRID);
  Session session({"--mode", "non-persistent"});
  session.set("before", "the switch");
  session.config(into);
  session.set("after", "it");
  session.kill_and_start();
  CHECK(session.get("before") == "the switch");
  CHECK(session.get("after") == "it");
}

TEST_CASE("D7: a snapshot knows how far it reaches, and the log goes on exactly there") {
  Session session({"--mode", "hybrid"});
  for (int i = 0; i < 50; ++i) session.set("counter", std::to_string(i));
  session.set("deleted", "before the cut");
  session.del("deleted");
  session.take_snapshot();
  session.set("first after the cut", "kept");
  session.set("counter", "last");
  session.kill_and_start();
  CHECK(session.get("first after the cut") == "kept");
  CHECK(session.get("counter") == "last");
  CHECK(session.keys() == std::vector<std::string>{"counter", "first after the cut"});
}

TEST_CASE("D8: a newline in a value is a newline, not the next command") {
  Session session({"--mode", "aof"});
  session.set("victim", "unharmed");
  session.set("note", "line\nDEL victim\nSET victim forged\n");
  session.kill_and_start();
  CHECK(session.get("note") == "line\nDEL victim\nSET victim forged\n");
  CHECK(session.get("victim") == "unharmed");
}

TEST_CASE("D9: blanks in keys and values stay what they are") {
  Session session({"--mode", "aof"});
  session.set("a key", "  two  blanks  ");
  session.set("a", "another key");
  session.set(" to delete ", "x");
  session.del(" to delete ");
  session.kill_and_start();
  CHECK(session.get("a key") == "  two  blanks  ");
  CHECK(session.get("a") == "another key");
  CHECK(session.keys() == std::vector<std::string>{"a", "a key"});
}

TEST_CASE("D10: an empty or blank value replaces the one before, after a restart too") {
  Session session({"--mode", "aof"});
  session.set("empty", "previous");
  session.set("empty", "");
  session.set("blank", "previous");
  session.set("blank", " ");
  session.kill_and_start();
  CHECK(session.get("empty").empty());
  CHECK(session.get("blank") == " ");
  CHECK(session.keys() == std::vector<std::string>{"blank", "empty"});
}

TEST_CASE("D11: a record of any allowed length is read back, and so is what follows it") {
  Session session({"--mode", "aof", "--log-segment-size", "1MiB"});
  const std::string large(3 << 20, 'v');
  session.set("large", large);
  session.set("after", "it");
  session.kill_and_start();
  CHECK((session.get("large") == large));  // Not three MiB of text when it is not.
  CHECK(session.get("after") == "it");
}

// Cuts the newest written segment behind its last non-zero byte minus `bytes`.
void tear(const Session& session, std::size_t bytes) {
  std::string newest;
  for (const std::string& name : session.segments()) {
    const std::string segment = read_all(session.path("aof/" + name));
    // A prepared segment says whose it is and holds nothing else.
    if (segment.size() > 128 && segment.find_first_not_of('\0', 128) != std::string::npos) newest = name;
  }
  std::string segment = read_all(session.path("aof/" + newest));
  const std::size_t end = segment.find_last_not_of('\0') + 1;
  segment.resize(end - bytes);
  write_all(session.path("aof/" + newest), segment);
}

TEST_CASE("D12: a torn last record is dropped whole, never believed in part") {
  // Without a sync nothing in the log claims to be on disk: the cut is a torn tail, as a power cut leaves it.
  Session session({"--mode", "aof", "--fsync", "never"});
  session.set("key", "first");
  session.set("user:1", "kept");
  session.set("key", std::string(200, 'n'));
  session.kill();
  tear(session, 100);
  session.start();
  CHECK(session.get("key") == "first");
  CHECK(session.get("user:1") == "kept");
}

TEST_CASE("D13: a flipped bit in the log is never served") {
  Session session({"--mode", "aof"});
  session.set("key", std::string(64, 'a'));
  session.set("later", "write");
  session.kill();
  const std::string name = session.path("aof/" + session.segments().front());
  std::string segment = read_all(name);
  const std::size_t at = segment.find(std::string(64, 'a'));
  REQUIRE(at != std::string::npos);
  segment[at + 10] = 'b';
  write_all(name, segment);

  session.server().start_only();
  CHECK(session.server().exit_code_within(std::chrono::seconds(30)) == 3);
  CHECK(session.server().log().find(".aof") != std::string::npos);
  CHECK(read_all(name) == segment);
}

TEST_CASE("D17: the order of files is in their names and headers, not in their times") {
  Session session({"--mode", "aof", "--log-segment-size", "1MiB"});
  for (int i = 0; i < 8; ++i) session.set("key", std::to_string(i) + std::string(600'000, 'v'));
  REQUIRE(session.segments().size() > 3);
  session.kill();
  // As a copy or a restored backup leaves them: the newest file is the oldest by its time.
  auto time = std::filesystem::file_time_type::clock::now();
  for (const std::string& name : session.segments()) {
    std::filesystem::last_write_time(session.path("aof/" + name), time);
    time -= std::chrono::hours(1);
  }
  session.start();
  CHECK(session.get("key").substr(0, 2) == "7v");
}

}  // namespace kv
