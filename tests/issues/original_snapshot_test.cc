// The faults of the original around snapshots, settings and stopping, each under its own name. Every case has a patch
// in tests/planted that puts the fault back and must turn the case red.
#include <filesystem>
#include <set>
#include <string>
#include <thread>

#include <catch2/catch.hpp>
#include <signal.h>

#include "tests/issues/session.h"
#include "tests/support/file_watch.h"

namespace kv {

using kvstore::AOF;
using kvstore::HYBRID;
using kvstore::NON_PERSISTENT;
using kvstore::SNAPSHOT;

TEST_CASE("D2: mode and settings survive a restart") {
  Session session;
  session.config(AOF, 0, 0, 2 << 20);
  session.kill_and_start();
  CHECK(session.mode() == "AOF");
  CHECK(session.manifest().find("2MiB") != std::string::npos);

  session.config(SNAPSHOT, 77, 9);
  session.stop_and_start();
  CHECK(session.mode() == "SNAPSHOT");
  CHECK(session.manifest().find("77s") != std::string::npos);
  CHECK(session.server().log().find("in effect max-snapshots = 9") != std::string::npos);
}

TEST_CASE("D3: the snapshot timer runs from the start, without any Config") {
  Session session({"--mode", "snapshot", "--snapshot-interval", "1s"});
  FileWatch watch({session.path("snapshots")});
  session.set("key", "value");
  watch.wait_until("a snapshot by the timer", [&] { return !session.snapshots().empty(); });

  // And again after a restart that nobody configured.
  session.stop_and_start();
  const auto before = session.snapshots();
  session.set("key", "another value");
  watch.wait_until("a newer snapshot", [&] { return session.snapshots().back() != before.back(); });
}

TEST_CASE("D4: a clean stop saves what the interval has not") {
  Session session({"--mode", "snapshot", "--snapshot-interval", "1h"});
  session.set("key", "value");
  session.stop_and_start();
  CHECK(session.get("key") == "value");
}

TEST_CASE("D14: a damaged snapshot is refused or passed over, never served empty and never displaces good ones") {
  Session session({"--mode", "snapshot", "--snapshot-interval", "1h"});
  session.set("key", std::string(64, 'a'));
  session.take_snapshot();
  session.kill();
  const std::string newest = session.path("snapshots/" + session.snapshots().back());
  std::string bytes = read_all(newest);
  bytes[bytes.find(std::string(64, 'a')) + 5] = 'b';
  write_all(newest, bytes);

  session.server().start_only();
  CHECK(session.server().exit_code_within(std::chrono::seconds(30)) == 3);
  CHECK(session.server().log().find(".snap") != std::string::npos);
  CHECK(read_all(newest) == bytes);
}

TEST_CASE("D14: in HYBRID a damaged newest snapshot is passed over, and the one before it stays") {
  Session session({"--mode", "hybrid", "--snapshot-interval", "1h"});
  session.set("key", std::string(64, 'a'));
  session.take_snapshot();
  session.set("key", std::string(64, 'b'));
  session.take_snapshot();
  const std::vector<std::string> names = session.snapshots();
  REQUIRE(names.size() == 2);
  session.kill();
  const std::string older = read_all(session.path("snapshots/" + names[0]));
  const std::string newest = session.path("snapshots/" + names[1]);
  std::string bytes = read_all(newest);
  bytes[bytes.find(std::string(64, 'b')) + 5] = 'c';
  write_all(newest, bytes);

  session.start();
  CHECK(session.get("key") == std::string(64, 'b'));  // by the log
  CHECK(read_all(session.path("snapshots/" + names[0])) == older);
}

TEST_CASE("D15: a snapshot that was being written when the server died is not a snapshot") {
  Session session({"--mode", "snapshot", "--snapshot-interval", "1h", "--max-snapshots", "1"});
  session.set("key", "good");
  session.take_snapshot();
  const auto good = session.snapshots();
  const std::string value(4'000'000, 'v');
  for (int i = 0; i < 40; ++i) session.set("large " + std::to_string(i), value);
  FileWatch watch({session.path("snapshots")});
  session.server().signal(SIGUSR1);
  watch.wait_until("a snapshot under its temporary name",
                   [&] { return !names_in(session.path("snapshots"), ".tmp").empty(); });
  session.kill();
  CHECK(session.snapshots() == good);
  session.start();
  CHECK(session.get("key") == "good");
  CHECK(session.keys() == std::vector<std::string>{"key"});
  CHECK(names_in(session.path("snapshots"), ".tmp").empty());
}

TEST_CASE("D16: two snapshots, or two log files, in one second have two names") {
  Session session({"--mode", "hybrid", "--log-segment-size", "1MiB"});
  std::set<std::string> segments;
  for (int i = 0; i < 4; ++i) {
    session.set("key", std::to_string(i) + std::string(700'000, 'v'));
    const std::vector<std::string> now = session.segments();
    segments.insert(now.begin(), now.end());
    session.take_snapshot();
  }
  CHECK(session.snapshots().size() == 4);
  // A record never shares a file with one that filled it, and no name comes twice.
  CHECK(segments.size() >= 4);
  session.kill_and_start();
  CHECK(session.get("key").substr(0, 2) == "3v");
}

TEST_CASE("D18: retention removes old snapshots and never a stranger") {
  Session session({"--mode", "snapshot", "--snapshot-interval", "1h", "--max-snapshots", "2"});
  const std::vector<std::string> strangers = {"notes.txt", "0000000000000000-old.snap.bak", "backup.snap"};
  for (const std::string& name : strangers) write_all(session.path("snapshots/" + name), "mine");
  for (int i = 0; i < 5; ++i) {
    session.set("key", std::to_string(i));
    session.take_snapshot();
  }
  session.stop_and_start();
  for (const std::string& name : strangers) CHECK(read_all(session.path("snapshots/" + name)) == "mine");
  CHECK(session.snapshots().size() == 2);
  CHECK(session.get("key") == "4");
}

TEST_CASE("D21: writes that are acknowledged while the server stops are there afterwards") {
  const std::string mode = GENERATE("aof", "snapshot");
  Session session({"--mode", mode});
  std::vector<std::string> acknowledged;
  std::thread writer([&] {
    LegacyClient client(session.server().address());
    for (int i = 0; client.set("key " + std::to_string(i), "v").ok(); ++i)
      acknowledged.push_back("key " + std::to_string(i));
  });
  while (session.keys().size() < 50) {
  }
  session.stop();
  writer.join();
  session.start();
  CHECK(acknowledged.size() >= 50);
  for (const std::string& key : acknowledged) CHECK(session.get(key) == "v");
}

TEST_CASE("D22: a mode outside the enum is refused and changes nothing") {
  Session session({"--mode", "aof"});
  const grpc::Status status = session.client().config(static_cast<kvstore::StorageMode>(7));
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(status.error_message().find("CONFIG_INVALID") != std::string::npos);
  session.set("key", "value");
  session.kill_and_start();
  CHECK(session.get("key") == "value");
}

TEST_CASE("D23: a Config that cannot be carried out leaves the old mode whole") {
  Session session({"--mode", "snapshot", "--snapshot-interval", "1h"});
  session.set("key", "value");
  session.take_snapshot();
  // The log's folder cannot hold files: a plain file stands in its place.
  std::filesystem::remove_all(session.path("aof"));
  write_all(session.path("aof"), "in the way");
  static_cast<void>(session.client().config(AOF));
  session.server().wait_for_line("SNAPSHOT");
  session.set("key", "after the failed switch");
  session.take_snapshot();
  CHECK(session.mode() == "SNAPSHOT");
  session.kill();
  std::filesystem::remove(session.path("aof"));
  session.start();
  CHECK(session.get("key") == "after the failed switch");
}

}  // namespace kv
