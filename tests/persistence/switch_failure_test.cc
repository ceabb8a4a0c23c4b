// Switches that a failing disk, a stop or another change meets halfway: what is told of them, and what is on record.
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/persistence/busy_server.h"
#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

TEST_CASE("switch: one that a stop meets just before its snapshot takes none") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kNonPersistent);
  std::atomic<int> manifests{-1000};
  std::atomic<int> written{0};
  std::future<absl::Status> stopped;
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (call == DiskCall::kWrite && path.find(".snap") != path.npos) ++written;
    // The write of DUAL, behind which the snapshot is taken.
    if (call != DiskCall::kWrite || path.find("MANIFEST") == path.npos || ++manifests != 3) return;
    stopped = std::async(std::launch::async, [&] { return server.stop(); });
    SettingsChange setting;
    setting.max_snapshots = 7;
    while (!has_reason(server.change(setting, {.queue_behind_switch = false}), Reason::kShuttingDown))
      std::this_thread::yield();
  });
  server.use(disk);
  server.start();
  server.put("a", "1");
  manifests = 0;
  std::promise<absl::Status> done;
  server.storage().change_settings(StorageFixture::to(Mode::kAof), {},
                                   [&](const absl::Status& status) { done.set_value(status); });
  CHECK_FALSE(done.get_future().get().ok());
  CHECK(stopped.get().ok());
  CHECK(written == 0);
}

TEST_CASE("switch: one during which the log fails is told as failed") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kSnapshot);
  fail_log_at_first_snapshot(disk, server);
  server.use(disk);
  server.start();
  server.put("a", "1");
  CHECK_FALSE(server.change(StorageFixture::to(Mode::kAof)).ok());
  CHECK(disk.faults_delivered() == 1);
  const StorageStatus status = server.storage().status();
  CHECK(status.phase == SwitchPhase::kFailed);
  CHECK_FALSE(status.switch_failure.empty());
  CHECK_FALSE(status.accepting_writes);
}

// Between the MANIFEST that makes a switch ACTIVE and its end there is a sync, which may take long.
TEST_CASE("switch: a change that is accepted when the one before is over in MANIFEST alone is recorded") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kSnapshot);
  std::optional<SwitchRecord> recorded;
  std::promise<absl::Status> next;
  const auto wait_until = [](const std::function<bool()>& happened) {
    const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!happened() && std::chrono::steady_clock::now() < bound) std::this_thread::yield();
  };
  std::atomic<bool> cut{false}, asked{false};
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (call == DiskCall::kRename && path.find(".snap") != path.npos && !cut.exchange(true)) {
      server.put("above the cut", "1");
    }
    // The sync of that write, which the OK of the switch waits for.
    if (!cut || call != DiskCall::kSyncData || !path.ends_with(".aof") || asked.exchange(true)) return;
    wait_until([&] { return server.manifest().mode == Mode::kAof; });
    server.storage().change_settings(StorageFixture::to(Mode::kHybrid), {},
                                     [&](const absl::Status& status) { next.set_value(status); });
    wait_until([&] { return (recorded = server.manifest().mode_switch).has_value(); });
  });
  server.use(disk);
  server.start();
  REQUIRE(server.change(StorageFixture::to(Mode::kAof)).ok());
  REQUIRE(next.get_future().get().ok());
  REQUIRE(recorded.has_value());
  CHECK(recorded->to == Mode::kHybrid);
  CHECK(server.manifest().mode == Mode::kHybrid);
  CHECK_FALSE(server.manifest().mode_switch.has_value());
}

// Two changes are accepted while a snapshot is published, before the first of them can begin.
TEST_CASE("switch: what was accepted behind it stays on record when it begins") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kSnapshot);
  std::promise<absl::Status> first, second;
  std::atomic<int> renames{-1000};
  std::optional<SwitchRecord> waiting, begun;
  std::unique_ptr<FaultyFileSystem> left;
  const auto into = [](std::promise<absl::Status>& told) {
    return [&told](const absl::Status& status) { told.set_value(status); };
  };
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (call != DiskCall::kRename || path.find(".snap") == path.npos) return;
    if (++renames == 1) {
      SettingsChange change = StorageFixture::to(Mode::kAof);
      change.max_snapshots = 7;
      server.storage().change_settings(change, {}, into(first));
      server.storage().change_settings(StorageFixture::to(Mode::kHybrid), {}, into(second));
      const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(5);
      do {
        waiting = server.manifest().mode_switch;
      } while (!(waiting && waiting->next) && std::chrono::steady_clock::now() < bound);
    }
    if (renames != 2) return;  // Of the first switch, which is DUAL.
    begun = server.manifest().mode_switch;
    left = disk.after_crash({});
  });
  server.use(disk);
  server.start();
  server.put("a", "1");
  renames = 0;
  REQUIRE(server.snapshot().ok());
  REQUIRE(first.get_future().get().ok());
  REQUIRE(second.get_future().get().ok());
  REQUIRE(waiting.has_value());
  CHECK(waiting->to == Mode::kAof);
  REQUIRE(waiting->next.has_value());
  REQUIRE(begun.has_value());
  CHECK(begun->to == Mode::kAof);
  REQUIRE(begun->next.has_value());
  CHECK(begun->next == waiting->next);
  CHECK(server.manifest().mode == Mode::kHybrid);
  CHECK(server.storage().status().settings.max_snapshots == 7);
  // A crash just then forgets neither.
  StorageFixture next(Mode::kSnapshot);
  next.no_longer_give("mode");
  next.use(*left);
  next.start();
  REQUIRE(next.change(StorageFixture::to(Mode::kHybrid)).ok());  // Behind what the start goes on with.
  CHECK(next.storage().status().settings.max_snapshots == 7);
}

}  // namespace
}  // namespace kv
