// Changes that end while MANIFEST may name them: nobody is told of one that failed which the next start carries out.
#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <utility>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/persistence/busy_server.h"
#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

// Behind a held job: a switch to SNAPSHOT that waits, and behind it one to NON_PERSISTENT, both on record.
struct TwoOnRecord {
  TwoOnRecord() {
    busy.change(Mode::kSnapshot);
    change(Mode::kNonPersistent, next);
    REQUIRE(within_bound([&] { return server.manifest().mode_switch && server.manifest().mode_switch->next; }));
  }
  void change(Mode mode, std::promise<absl::Status>& told) {
    server.storage().change_settings(StorageFixture::to(mode), {},
                                     [&told](const absl::Status& status) { told.set_value(status); });
  }
  // The answer to a change that is refused comes from the thread that records, behind what it had to do before.
  void await_records() {
    CHECK_FALSE(server.change(StorageFixture::to(Mode::kHybrid), {.queue_behind_switch = false}).ok());
  }

  std::promise<absl::Status> next, later;
  BusyServer busy;
  StorageFixture& server = busy.server;
};

TEST_CASE("switch doubt: a change whose place another one takes hears of it when that is on record") {
  TwoOnRecord two;
  two.change(Mode::kAof, two.later);
  std::future<absl::Status> next_told = two.next.get_future();
  REQUIRE(next_told.wait_for(kBound) == std::future_status::ready);
  CHECK(has_reason(next_told.get(), Reason::kTransitionInProgress));
  const std::optional<SettingTexts> next = two.server.manifest().mode_switch->next;
  REQUIRE(next.has_value());
  CHECK(next->at("mode") == "AOF");
  two.busy.go_on();
  CHECK(two.busy.done.get_future().get().ok());
  CHECK(two.later.get_future().get().ok());
  CHECK(two.server.storage().status().settings.mode == Mode::kAof);
}

TEST_CASE("switch doubt: one whose place a full disk kept another from taking is in doubt, and does not come back") {
  TwoOnRecord two;
  two.busy.disk.fail({.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC, .from_then_on = true});
  two.change(Mode::kAof, two.later);
  two.await_records();
  two.busy.go_on();
  CHECK(has_reason(two.busy.done.get_future().get(), Reason::kOutcomeUnknown));
  CHECK(has_reason(two.next.get_future().get(), Reason::kOutcomeUnknown));
  CHECK(has_reason(two.later.get_future().get(), Reason::kDiskLimit));
  two.busy.disk.heal();
  CHECK(within_bound([&] { return !two.server.manifest().mode_switch.has_value(); }));
  two.server.kill_and_start();
  REQUIRE(two.server.snapshot().ok());  // Behind whatever else would be carried out.
  CHECK(two.server.storage().status().settings.mode == Mode::kHybrid);
}

TEST_CASE("switch doubt: one whose place a failed disk kept another from taking is in doubt, and carried out") {
  TwoOnRecord two;
  two.busy.disk.fail({.call = DiskCall::kSyncData, .path_part = ".aof"});
  CHECK_FALSE(two.server.try_put("b", "2").ok());
  two.change(Mode::kAof, two.later);
  two.await_records();
  two.busy.go_on();
  CHECK(has_reason(two.busy.done.get_future().get(), Reason::kOutcomeUnknown));
  CHECK(has_reason(two.next.get_future().get(), Reason::kOutcomeUnknown));
  CHECK(has_reason(two.later.get_future().get(), Reason::kWritesSuspended));
  two.server.no_longer_give("mode");
  two.server.kill_and_start();
  REQUIRE(two.server.change(StorageFixture::to(Mode::kNonPersistent)).ok());
  CHECK(two.server.storage().status().settings.max_snapshots == 7);  // Of the one before it.
}

// The rename is seen by whoever starts next, whatever the sync of the directory says.
TEST_CASE("switch doubt: a setting whose MANIFEST is renamed and whose name is not synced is in doubt, and in force") {
  FaultyFileSystem disk;
  std::atomic<bool> armed{false};
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (call != DiskCall::kRename || path.find("MANIFEST") == path.npos || !armed.exchange(false)) return;
    disk.fail({.call = DiskCall::kSyncDirectory});
  });
  StorageFixture server(Mode::kHybrid);
  server.use(disk);
  server.start();
  armed = true;
  SettingsChange change;
  change.max_snapshots = 9;
  CHECK(has_reason(server.change(change), Reason::kOutcomeUnknown));
  CHECK(has_reason(server.change(change), Reason::kWritesSuspended));  // Asked again, it is not begun.
  server.kill_and_start();
  CHECK(server.storage().status().settings.max_snapshots == 9);
}

TEST_CASE("switch doubt: a setting whose MANIFEST was not renamed has failed") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kHybrid);
  server.use(disk);
  server.start();
  disk.fail({.call = DiskCall::kSync, .path_part = "MANIFEST"});
  SettingsChange change;
  change.max_snapshots = 9;
  CHECK(has_reason(server.change(change), Reason::kWritesSuspended));
  server.kill_and_start();
  CHECK(server.storage().status().settings.max_snapshots == 5);
}

// The switch ends for a failed log while the thread beside it still writes the MANIFEST that names it.
TEST_CASE("switch doubt: one that is just being recorded when it fails is in doubt, and carried out") {
  std::promise<void> held, release;
  const std::shared_future<void> may_go_on = release.get_future().share();
  std::atomic<bool> armed{false};
  BusyServer busy([&](DiskCall call, const std::string& path) {
    if (call != DiskCall::kRename || path.find("MANIFEST") == path.npos || !armed.exchange(false)) return;
    held.set_value();
    may_go_on.wait_for(kHeld);
  });
  StorageFixture& server = busy.server;
  armed = true;
  busy.change(Mode::kSnapshot);
  REQUIRE(held.get_future().wait_for(kBound) == std::future_status::ready);
  busy.disk.fail({.call = DiskCall::kSyncData, .path_part = ".aof"});
  CHECK_FALSE(server.try_put("b", "2").ok());
  busy.disk.fail({.call = DiskCall::kRename, .path_part = ".snap"});  // So that no MANIFEST of its own waits behind it.
  busy.go_on();
  CHECK(within_bound([&] { return server.logged("a switch could not begin"); }));
  std::future<absl::Status> done = busy.done.get_future();
  CHECK(done.wait_for(50ms) == std::future_status::timeout);  // Not before it is known what MANIFEST says.
  release.set_value();
  CHECK(has_reason(done.get(), Reason::kOutcomeUnknown));
  server.no_longer_give("mode");
  server.kill_and_start();
  REQUIRE(server.change(StorageFixture::to(Mode::kSnapshot)).ok());
  CHECK(server.storage().status().settings.max_snapshots == 7);
}

TEST_CASE("switch doubt: one that had begun when the log failed is in doubt, and carried out") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kSnapshot);
  disk.on_call([&, armed = true](DiskCall call, const std::string& path) mutable {
    // When it is written, and read back: no shard is locked then.
    if (call != DiskCall::kRead || path.find(".snap") == path.npos || !std::exchange(armed, false)) return;
    disk.fail({.call = DiskCall::kSyncData, .path_part = ".aof"});
    server.put("a", "2");
  });
  server.use(disk);
  server.start();
  server.put("a", "1");
  SettingsChange change = StorageFixture::to(Mode::kAof);
  change.max_snapshots = 7;
  CHECK(has_reason(server.change(change), Reason::kOutcomeUnknown));
  server.no_longer_give("mode");
  server.kill_and_start();
  REQUIRE(server.change(StorageFixture::to(Mode::kAof)).ok());
  CHECK(server.storage().status().settings.max_snapshots == 7);
}

// Until a directory is opened nothing is synced, and nothing has failed.
TEST_CASE("switch doubt: a sync of names that finds no descriptor for a while is none that failed") {
  for (const bool of_snapshot : {false, true}) {
    FaultyFileSystem disk;
    std::atomic<bool> armed{false};
    disk.on_call([&](DiskCall call, const std::string& path) {
      const bool renamed = path.find(of_snapshot ? ".snap" : "MANIFEST") != path.npos;
      if (call != DiskCall::kRename || !renamed || !armed.exchange(false)) return;
      disk.fail({.call = DiskCall::kSyncDirectory, .error_number = EMFILE, .times = 3});
    });
    StorageFixture server(Mode::kHybrid);
    server.use(disk);
    server.start();
    server.put("a", "1");
    armed = true;
    if (of_snapshot) {
      CHECK(server.snapshot().ok());
    } else {
      SettingsChange change;
      change.max_snapshots = 9;
      CHECK(server.change(change).ok());
    }
    CHECK(disk.faults_delivered() == 3);
    CHECK(server.try_put("b", "2").ok());
  }
}

}  // namespace
}  // namespace kv
