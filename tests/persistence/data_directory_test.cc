// What a start does with directories that are not as it left them.
#include "persistence/data_directory.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

// The error of a start that must fail, with the exit code it asks for.
void refused(StorageFixture& server, const std::string& exit_code, std::string_view text) {
  const absl::Status status = server.open();
  INFO(status.ToString());
  REQUIRE_FALSE(status.ok());
  CHECK(facts_of(status)["exit"] == exit_code);
  CHECK(message_of(status).find(text) != std::string_view::npos);
}

// Stopped cleanly, with a snapshot and a log.
void fill(StorageFixture& server) {
  server.start();
  server.put_many("a", 5);
  REQUIRE(server.snapshot().ok());
  server.put_many("b", 5);
  REQUIRE(server.stop().ok());
}

TEST_CASE("data directory: one that another process holds is refused with exit code 4, naming the process") {
  StorageFixture server;
  server.start();
  const auto second = DataDirectory::open(posix_file_system(), server.path());
  REQUIRE_FALSE(second.ok());
  CHECK(facts_of(second.status())["exit"] == "4");
  CHECK(message_of(second.status()).find("in use by another process: process id") != std::string_view::npos);
  server.put("still", "works");
}

TEST_CASE("data directory: one that cannot be made is refused with exit code 1 and the path") {
  TempDirectory directory;
  const auto opened = DataDirectory::open(posix_file_system(), directory.file("missing/data"));
  REQUIRE_FALSE(opened.ok());
  CHECK(facts_of(opened.status())["exit"] == "1");
  CHECK(message_of(opened.status()).find("missing/data") != std::string_view::npos);
}

TEST_CASE("data directory: what a start made and did not come to sync is made durable by the next") {
  // Killed between making the directory and syncing its parent; or a sync failed, after which the next says nothing.
  const Fault fault = GENERATE(Fault{.call = DiskCall::kLock}, Fault{.call = DiskCall::kSyncDirectory, .after = 1});
  FaultyFileSystem disk;
  StorageFixture server;
  server.use(disk);
  disk.fail(fault);
  refused(server, "1", "cannot be used");
  server.start();
  server.put("a", "1");
  server.kill();
  const auto left = disk.after_crash({});
  StorageFixture next;
  next.use(*left);
  next.start();
  CHECK(next.data() == Data{{"a", "1"}});
}

// The kernel tells a failed sync to one caller. Another one, of the same names, would be told OK, and MANIFEST would
// name a segment that no power cut leaves.
TEST_CASE("data directory: after a failed sync of the log's names no other says that they are durable") {
  FaultyFileSystem disk;
  const auto opened = DataDirectory::open(disk, "/data");
  REQUIRE(opened.ok());
  DataDirectory& directory = **opened;
  REQUIRE(directory.sync_log().ok());
  PastGeneration past;
  past.number = 1;
  SECTION("of a move to past/") {
    disk.fail({.call = DiskCall::kSyncDirectory, .path_part = "aof", .error_number = EAGAIN});
    CHECK_FALSE(directory.move_to_past(past).ok());
  }
  SECTION("of segments") {
    disk.fail({.call = DiskCall::kSyncDirectory, .path_part = "aof", .error_number = EAGAIN});
    CHECK_FALSE(directory.sync_log().ok());
  }
  CHECK(disk.faults_delivered() == 1);
  CHECK_FALSE(directory.sync_log().ok());
  CHECK_FALSE(directory.move_to_past(past).ok());
}

TEST_CASE("data directory: a sync of the log's names that finds no descriptor is tried again") {
  FaultyFileSystem disk;
  const auto opened = DataDirectory::open(disk, "/data");
  REQUIRE(opened.ok());
  disk.fail({.call = DiskCall::kSyncDirectory, .path_part = "aof", .error_number = EMFILE});
  CHECK_FALSE((*opened)->sync_log().ok());
  CHECK(disk.faults_delivered() == 1);
  CHECK((*opened)->sync_log().ok());
}

TEST_CASE("data directory: one that was made for us in a place that is not ours to open is used as it is") {
  FaultyFileSystem disk;
  const bool made_for_us = GENERATE(true, false);
  if (made_for_us) REQUIRE(disk.make_directory("/data").ok());
  disk.make_durable();
  disk.fail({.call = DiskCall::kSyncDirectory, .error_number = EACCES});
  StorageFixture server;
  server.use(disk);
  if (!made_for_us) return refused(server, "1", "cannot be used");
  server.start();
  CHECK(disk.faults_delivered() == 1);
}

TEST_CASE("data directory: one that cannot be used says whose it is") {
  TempDirectory directory;
  // Whatever stops us, the message says who owns the place.
  REQUIRE(posix_file_system().make_directory(directory.file("data")).ok());
  REQUIRE(posix_file_system().make_directory(directory.file("data/LOCK")).ok());
  const auto opened = DataDirectory::open(posix_file_system(), directory.file("data"));
  REQUIRE_FALSE(opened.ok());
  CHECK(facts_of(opened.status())["exit"] == "1");
  CHECK(message_of(opened.status()).find("it belongs to user id") != std::string_view::npos);
}

TEST_CASE("data directory: data files without MANIFEST are an error and never a fresh start") {
  for (const Mode mode : {Mode::kSnapshot, Mode::kAof, Mode::kHybrid}) {
    StorageFixture server(mode);
    fill(server);
    REQUIRE(posix_file_system().remove(server.path("MANIFEST")).ok());
    refused(server, "3", "MANIFEST is missing");
  }
}

TEST_CASE("data directory: a damaged, empty or zeroed MANIFEST is refused with exit code 3") {
  StorageFixture server;
  fill(server);
  const std::string good = server.read("MANIFEST");
  for (const std::string& bad : {std::string(), good.substr(0, good.size() / 2), std::string(good.size(), '\0')}) {
    server.overwrite("MANIFEST", bad);
    refused(server, "3", "MANIFEST");
  }
  server.overwrite("MANIFEST", good);
  server.start();
  CHECK(server.data().size() == 10);
}

TEST_CASE("data directory: a named file that is missing, damaged, cut short or foreign is refused, naming it") {
  for (const std::string file : {"snapshots/0000000000000001.snap", "aof/0000000000000001.aof"}) {
    StorageFixture server(Mode::kAof);
    fill(server);
    const std::string good = server.read(file);
    REQUIRE(posix_file_system().remove(server.path(file)).ok());
    refused(server, "3", file);

    std::string flipped = good;
    flipped[good.size() - 30] = static_cast<char>(flipped[good.size() - 30] ^ 1);
    server.overwrite(file, flipped);
    refused(server, "3", file);
    server.overwrite(file, good.substr(0, good.size() - 40));
    refused(server, "3", file);

    StorageFixture other(Mode::kAof);
    fill(other);
    server.overwrite(file, other.read(file));
    refused(server, "3", file);

    server.overwrite(file, good);
    server.start();
    CHECK(server.data().size() == 10);
  }
}

TEST_CASE("data directory: what a crash left unnamed is swept, and strangers are reported and left") {
  StorageFixture server(Mode::kHybrid);
  fill(server);
  // Ours, under numbers that MANIFEST does not name.
  server.overwrite("snapshots/0000000000000009.snap", server.read("snapshots/0000000000000001.snap"));
  server.overwrite("aof/0000000000000077.aof", server.read("aof/0000000000000001.aof"));
  server.overwrite("snapshots/0000000000000010.snap.tmp", "half a snapshot");
  server.overwrite("MANIFEST.tmp", "half a manifest");
  // Somebody else's.
  StorageFixture other(Mode::kHybrid);
  fill(other);
  server.overwrite("snapshots/0000000000000012.snap", other.read("snapshots/0000000000000001.snap"));
  server.overwrite("aof/0000000000000099.aof", std::string(300, 'x'));
  server.overwrite("aof/notes.txt", "mine");
  server.overwrite("README", "mine");

  server.start();
  CHECK(server.data().size() == 10);
  CHECK(server.storage().recovery().strangers == std::vector<std::string>{"README", "aof/notes.txt",
                                                                          "aof/0000000000000099.aof",
                                                                          "snapshots/0000000000000012.snap"});
  const auto names = [](const std::vector<std::string>& files, const std::string& name) {
    return std::count(files.begin(), files.end(), name) == 1;
  };
  CHECK_FALSE(names(server.files("snapshots"), "0000000000000009.snap"));
  CHECK_FALSE(names(server.files("snapshots"), "0000000000000010.snap.tmp"));
  CHECK_FALSE(names(server.files("aof"), "0000000000000077.aof"));
  CHECK(names(server.files("snapshots"), "0000000000000012.snap"));
  CHECK(server.read("aof/notes.txt") == "mine");
  // Numbers are never used twice, not even those of strangers.
  CHECK(server.manifest().next_segment > 99);
  REQUIRE(server.snapshot().ok());
  CHECK(names(server.files("snapshots"), "0000000000000013.snap"));
}

TEST_CASE("data directory: what was written and never renamed is not believed, however good it is") {
  // As a crash leaves it that comes before MANIFEST gets its name: the snapshot is whole, and so is the text.
  StorageFixture server(Mode::kSnapshot);
  server.start();
  server.put("key", "1");
  REQUIRE(server.snapshot().ok());
  const std::string before = server.read("MANIFEST");
  server.put("key", "2");
  REQUIRE(server.snapshot().ok());
  const std::string after = server.read("MANIFEST");
  const std::string snapshot = server.read("snapshots/0000000000000002.snap");
  REQUIRE(before != after);
  server.kill();
  server.overwrite("MANIFEST", before);
  server.overwrite("MANIFEST.tmp", after);
  server.overwrite("snapshots/0000000000000003.snap.tmp", snapshot);
  server.start();
  CHECK(server.data() == Data{{"key", "1"}});
  CHECK(server.files("snapshots") == std::vector<std::string>{"0000000000000001.snap"});
}

TEST_CASE("data directory: a file of an older time is not loaded because it lies there") {
  // The original loaded whatever snapshot it found (D5).
  StorageFixture server(Mode::kSnapshot);
  server.start();
  server.put("old", "1");
  REQUIRE(server.snapshot().ok());
  const std::string old = server.read("snapshots/0000000000000001.snap");
  server.switch_to(Mode::kAof);
  server.put("old", "2");
  REQUIRE(server.stop().ok());
  server.overwrite("snapshots/0000000000000001.snap", old);
  server.start();
  CHECK(server.data() == Data{{"old", "2"}});
}

}  // namespace
}  // namespace kv
