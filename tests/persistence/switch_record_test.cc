// Changes that are accepted and not carried out: what MANIFEST remembers of them, and what the next start makes of
// that.
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

using namespace std::chrono_literals;

// MANIFEST as a kill leaves it that comes before the change has begun.
void leave_on_record(StorageFixture& server, const SettingTexts& change, const std::optional<SettingTexts>& next = {}) {
  Manifest manifest = server.manifest();
  SwitchRecord record;
  record.from = manifest.mode;
  record.to = change.contains("mode") ? *parse_mode(change.at("mode")) : manifest.mode;
  record.change = change;
  record.next = next;
  manifest.mode_switch = record;
  server.overwrite("MANIFEST", to_text(manifest));
}

TEST_CASE("switch record: what was given at the start since is newer, of its setting alone") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kHybrid);
  server.give("fsync", "interval");
  server.use(disk);
  server.start();
  server.kill();
  leave_on_record(server, {{"mode", "aof"}, {"fsync", "never"}, {"max-snapshots", "10"}},
                  {{{"fsync", "never"}, {"fsync-interval", "2s"}}});
  server.give("fsync", "always");
  // As a kill leaves the disk that comes before what is still to do has begun.
  std::unique_ptr<FaultyFileSystem> left;
  int manifests = 0;
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (call == DiskCall::kRename && path.find("MANIFEST") != path.npos && ++manifests == 2)
      left = disk.after_crash({});
  });
  const auto check = [](StorageFixture& started) {
    REQUIRE(started.change(StorageFixture::to(Mode::kAof)).ok());  // Behind what the start goes on with.
    const Settings settings = started.storage().status().settings;
    CHECK(settings.mode == Mode::kAof);
    CHECK(settings.fsync == FsyncPolicy::kAlways);
    CHECK(settings.max_snapshots == 10);
    CHECK(settings.fsync_interval == 2s);
    CHECK_FALSE(started.manifest().mode_switch.has_value());
  };
  server.start();
  check(server);
  REQUIRE(left != nullptr);
  StorageFixture next(Mode::kHybrid);
  next.give("fsync", "always");  // No edit any more: it is what the start before it was given.
  next.use(*left);
  next.start();
  check(next);
}

TEST_CASE("switch record: a mode that was given since leaves the rest of what was accepted") {
  for (const bool as_next : {false, true}) {
    StorageFixture server(Mode::kHybrid);
    server.start();
    server.put("a", "1");
    server.kill();
    const SettingTexts accepted{{"mode", "aof"}, {"max-snapshots", "10"}};
    if (as_next) {
      leave_on_record(server, {{"mode", "non_persistent"}}, accepted);
    } else {
      leave_on_record(server, accepted);
    }
    server.give("mode", "snapshot");
    server.start();
    REQUIRE(server.change(StorageFixture::to(Mode::kSnapshot)).ok());
    CHECK(server.storage().status().settings.mode == Mode::kSnapshot);
    CHECK(server.storage().status().settings.max_snapshots == 10);
    CHECK(server.data() == Data{{"a", "1"}});
  }
}

TEST_CASE("switch record: a start that only recovers carries out nothing, and forgets nothing") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  server.put("a", "1");
  server.kill();
  leave_on_record(server, {{"mode", "non_persistent"}, {"max-snapshots", "10"}});
  server.only_recover_ = true;
  server.start();
  CHECK(server.snapshot().ok());  // Behind whatever else would be carried out.
  CHECK(server.data() == Data{{"a", "1"}});
  REQUIRE(server.stop().ok());
  CHECK(server.manifest().mode == Mode::kHybrid);
  REQUIRE(server.manifest().mode_switch.has_value());
  CHECK(server.manifest().mode_switch->change.at("max-snapshots") == "10");
  CHECK(server.files("aof").size() + server.files("snapshots").size() > 0);
  server.only_recover_ = false;
  server.start();
  REQUIRE(server.change(StorageFixture::to(Mode::kNonPersistent)).ok());
  CHECK(server.storage().status().settings.max_snapshots == 10);
}

TEST_CASE("switch record: a switch that waits for other jobs is on record, and they give way to it") {
  BusyServer busy;
  StorageFixture& server = busy.server;
  busy.change(Mode::kSnapshot);
  std::future<absl::Status> recorded = busy.recorded.get_future();
  REQUIRE(recorded.wait_for(kBound) == std::future_status::ready);
  CHECK(recorded.get().ok());
  CHECK(server.storage().status().phase == SwitchPhase::kAccepted);
  CHECK(server.storage().status().switching_to == Mode::kSnapshot);
  const auto left = busy.disk.after_crash({});
  busy.go_on();
  CHECK(has_reason(busy.rewrite.get_future().get(), Reason::kTransitionInProgress));
  CHECK(busy.done.get_future().get().ok());
  CHECK(server.storage().status().settings.mode == Mode::kSnapshot);

  StorageFixture next(Mode::kHybrid);
  next.use(*left);
  next.start();
  REQUIRE(next.change(StorageFixture::to(Mode::kSnapshot)).ok());
  CHECK(next.storage().status().settings.max_snapshots == 7);
  CHECK(next.data() == Data{{"a", "1"}});
}

TEST_CASE("switch record: one that waits while the disk fails is refused, and on no record") {
  BusyServer busy;
  StorageFixture& server = busy.server;
  busy.disk.fail({.call = DiskCall::kSyncData, .path_part = ".aof"});
  CHECK_FALSE(server.try_put("b", "2").ok());
  busy.change(Mode::kSnapshot);
  server.storage().change_settings(StorageFixture::to(Mode::kAof), {}, [](const absl::Status&) {});
  // This answer comes from the thread that would have written both.
  CHECK_FALSE(server.change(StorageFixture::to(Mode::kNonPersistent), {.queue_behind_switch = false}).ok());
  CHECK_FALSE(server.manifest().mode_switch.has_value());
  busy.go_on();
  CHECK(has_reason(busy.done.get_future().get(), Reason::kWritesSuspended));
  CHECK_FALSE(busy.recorded.get_future().get().ok());
  CHECK_FALSE(server.manifest().mode_switch.has_value());
}

TEST_CASE("switch record: one that was on record when the disk failed is in doubt, and carried out by the next start") {
  BusyServer busy;
  StorageFixture& server = busy.server;
  busy.change(Mode::kSnapshot);
  REQUIRE(busy.recorded.get_future().get().ok());
  busy.disk.fail({.call = DiskCall::kSyncData, .path_part = ".aof"});
  CHECK_FALSE(server.try_put("b", "2").ok());
  busy.go_on();
  CHECK(has_reason(busy.done.get_future().get(), Reason::kOutcomeUnknown));
  CHECK(server.storage().status().phase == SwitchPhase::kFailed);
  server.kill_and_start();
  REQUIRE(server.change(StorageFixture::to(Mode::kSnapshot)).ok());
  CHECK(server.storage().status().settings.max_snapshots == 7);
}

TEST_CASE("switch record: one that could not begin for space is off record when there is some") {
  BusyServer busy;
  StorageFixture& server = busy.server;
  busy.change(Mode::kSnapshot);
  REQUIRE(busy.recorded.get_future().get().ok());
  busy.disk.fail({.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC, .from_then_on = true});
  busy.go_on();
  CHECK(has_reason(busy.done.get_future().get(), Reason::kOutcomeUnknown));  // A start now would carry it out.
  CHECK(server.storage().status().phase == SwitchPhase::kFailed);
  CHECK(server.storage().status().switching_to == Mode::kSnapshot);
  CHECK_FALSE(server.storage().status().switch_failure.empty());
  CHECK(server.manifest().mode_switch.has_value());
  busy.disk.heal();
  CHECK(within_bound([&] { return !server.manifest().mode_switch.has_value(); }));
  server.kill_and_start();
  CHECK(server.storage().status().settings.mode == Mode::kHybrid);
  CHECK(server.storage().status().settings.max_snapshots == 5);
}

// The first one fails and stays on record; so does another, behind it or after it. Neither may come back, and one that
// is asked for again may not be taken for it.
TEST_CASE("switch record: of several that failed for space none comes back, and one that is asked for again stays") {
  BusyServer busy;
  StorageFixture& server = busy.server;
  std::promise<absl::Status> next;
  busy.change(Mode::kSnapshot);
  server.storage().change_settings(StorageFixture::to(Mode::kNonPersistent), {},
                                   [&](const absl::Status& status) { next.set_value(status); });
  REQUIRE(within_bound([&] { return server.manifest().mode_switch && server.manifest().mode_switch->next; }));
  busy.disk.fail({.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC, .from_then_on = true});
  busy.go_on();
  CHECK_FALSE(busy.done.get_future().get().ok());
  CHECK_FALSE(next.get_future().get().ok());
  SettingsChange setting;
  setting.max_snapshots = 9;
  CHECK_FALSE(server.change(setting).ok());
  CHECK(server.manifest().mode_switch.has_value());
  busy.disk.heal();
  CHECK(within_bound([&] { return !server.manifest().mode_switch.has_value(); }));
  server.kill_and_start();
  CHECK(server.storage().status().settings.mode == Mode::kHybrid);
  CHECK(server.storage().status().settings.max_snapshots == 5);
}

TEST_CASE("switch record: one that failed before and is asked for again is on record at a stop") {
  BusyServer busy;
  StorageFixture& server = busy.server;
  busy.change(Mode::kSnapshot);
  REQUIRE(busy.recorded.get_future().get().ok());
  busy.disk.fail({.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC, .from_then_on = true});
  busy.go_on();
  CHECK_FALSE(busy.done.get_future().get().ok());
  // Another job, so that nothing is taken off before the same is asked for again.
  std::promise<void> held, release;
  const auto may_go_on = release.get_future().share();
  busy.disk.on_call([&, armed = true](DiskCall call, const std::string& path) mutable {
    if (call != DiskCall::kRename || path.find(".snap") == path.npos || !std::exchange(armed, false)) return;
    held.set_value();
    may_go_on.wait_for(kHeld);
  });
  server.storage().snapshot_now([](const absl::StatusOr<StoredSnapshot>&) {});
  REQUIRE(held.get_future().wait_for(kBound) == std::future_status::ready);
  busy.disk.heal();
  std::promise<absl::Status> recorded, done;
  ChangeOptions options;
  options.on_record = [&](const absl::Status& status) { recorded.set_value(status); };
  SettingsChange again = StorageFixture::to(Mode::kSnapshot);
  again.max_snapshots = 7;
  server.storage().change_settings(again, options, [&](const absl::Status& status) { done.set_value(status); });
  CHECK(recorded.get_future().get().ok());
  std::future<absl::Status> stopped = std::async(std::launch::async, [&] { return server.stop(); });
  SettingsChange setting;
  setting.max_snapshots = 9;
  CHECK(within_bound(
      [&] { return has_reason(server.change(setting, {.queue_behind_switch = false}), Reason::kShuttingDown); }));
  release.set_value();
  CHECK(has_reason(done.get_future().get(), Reason::kOutcomeUnknown));
  CHECK(stopped.get().ok());
  REQUIRE(server.manifest().mode_switch.has_value());
  CHECK(server.manifest().mode_switch->to == Mode::kSnapshot);
}

TEST_CASE("switch record: one that could not begin for space is off record when the server stops") {
  BusyServer busy;
  StorageFixture& server = busy.server;
  busy.change(Mode::kSnapshot);
  REQUIRE(busy.recorded.get_future().get().ok());
  busy.disk.fail({.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC, .from_then_on = true});
  busy.go_on();
  CHECK_FALSE(busy.done.get_future().get().ok());
  busy.disk.heal();
  REQUIRE(server.stop().ok());
  CHECK_FALSE(server.manifest().mode_switch.has_value());
  CHECK(server.manifest().mode == Mode::kHybrid);
}

TEST_CASE("switch record: the next change tells when it is on record") {
  BusyServer busy;
  StorageFixture& server = busy.server;
  server.storage().change_settings(StorageFixture::to(Mode::kAof), {}, [](const absl::Status&) {});
  busy.change(Mode::kSnapshot);
  std::future<absl::Status> recorded = busy.recorded.get_future();
  REQUIRE(recorded.wait_for(kBound) == std::future_status::ready);
  CHECK(recorded.get().ok());
  REQUIRE(server.manifest().mode_switch.has_value());
  busy.go_on();
  CHECK(busy.done.get_future().get().ok());
  CHECK(server.storage().status().settings.mode == Mode::kSnapshot);
}

}  // namespace
}  // namespace kv
