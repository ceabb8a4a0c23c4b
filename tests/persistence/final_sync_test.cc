// Syncs on which what is on disk depends, beside those of the log being written: each is final when it fails.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <string>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

struct Story {
  Story(Mode mode, DiskCall call, std::function<bool(const std::string& path)> strikes) : server(mode) {
    disk.on_call([this, call, strikes = std::move(strikes)](DiskCall made, const std::string& path) {
      if (made != call || !strikes(path) || !armed.exchange(false)) return;
      disk.fail({.call = fault.call, .path_part = path, .error_number = fault.error_number});
    });
    server.give("log-segment-size", "1MiB");
    server.use(disk);
    server.start();
    server.put("a", "1");
  }
  // What the next such call strikes.
  void arm(DiskCall call, int error_number) {
    fault.call = call;
    fault.error_number = error_number;
    armed = true;
  }

  // The disk answers well from here on: only a restart heals, and that finds what was promised.
  void check_final() {
    CHECK(disk.faults_delivered() == 1);
    const std::vector<std::string> alarms = server.storage().status().alarms;
    CHECK(std::find(alarms.begin(), alarms.end(), "disk_failed") != alarms.end());
    CHECK_FALSE(server.storage().status().promise_kept);
    CHECK_FALSE(server.storage().journal().failure().ok());
    CHECK(has_reason(server.try_put("b", "2").status(), Reason::kWritesSuspended));
    CHECK_FALSE(server.snapshot().ok());
    SettingsChange change;
    change.max_snapshots = 7;
    CHECK_FALSE(server.change(change).ok());
    CHECK_FALSE(server.stop().ok());
    const auto found = disk.after_crash({});
    server.use(*found);
    server.start();
    CHECK(server.data().contains("a"));
    CHECK_FALSE(server.data().contains("b"));
    server.put("b", "2");
    server.kill();
  }

  std::atomic<bool> armed{false};
  Fault fault;
  FaultyFileSystem disk;
  StorageFixture server;
};

// No errno makes a sync that failed a call to be tried again. EMFILE and ENFILE are another matter: nothing was begun.
int any_error() { return GENERATE(EIO, ENOSPC, EDQUOT, EAGAIN, EINTR); }

TEST_CASE("final sync: that of the data directory behind MANIFEST's rename, though MANIFEST itself is synced") {
  const int error_number = any_error();
  const Mode mode = GENERATE(Mode::kAof, Mode::kHybrid);
  INFO(word(mode) << ", errno " << error_number);
  Story story(mode, DiskCall::kSyncDirectory, [](const std::string& path) { return path == "/data"; });
  story.arm(DiskCall::kSyncDirectory, error_number);
  SettingsChange change;
  change.max_snapshots = 9;
  CHECK_FALSE(story.server.change(change).ok());
  story.check_final();
}

TEST_CASE("final sync: that of a snapshot's name, which MANIFEST was to count on") {
  const int error_number = any_error();
  const Mode mode = GENERATE(Mode::kAof, Mode::kHybrid);
  INFO(word(mode) << ", errno " << error_number);
  Story story(mode, DiskCall::kSyncDirectory, [](const std::string& path) { return path == "/data/snapshots"; });
  story.arm(DiskCall::kSyncDirectory, error_number);
  CHECK_FALSE(story.server.snapshot().ok());
  CHECK(story.server.manifest().snapshots.empty());
  story.check_final();
}

// Only a segment that is closed is cut: the sync behind that is not the one that prepared it.
TEST_CASE("final sync: that of a segment that is full and cut to what it holds") {
  const int error_number = any_error();
  const Mode mode = GENERATE(Mode::kAof, Mode::kHybrid);
  INFO(word(mode) << ", errno " << error_number);
  Story story(mode, DiskCall::kTruncate, [](const std::string& path) { return path.ends_with(".aof"); });
  story.arm(DiskCall::kSync, error_number);
  const std::string large(300'000, 'v');
  for (int i = 0; i < 4 && story.server.try_put("large", large).ok(); ++i) continue;
  // It waits for the log through its cut, the closing included.
  CHECK_FALSE(story.server.snapshot().ok());
  story.check_final();
}

}  // namespace
}  // namespace kv
