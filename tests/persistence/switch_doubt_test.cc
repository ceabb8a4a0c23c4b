// Changes that end while MANIFEST may name them: nobody is told of one that failed which the next start carries out.
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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
  explicit TwoOnRecord(std::function<void()> when_first_ends = [] {}) {
    busy.change(Mode::kSnapshot, std::move(when_first_ends));
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
  fail_log_at_first_snapshot(disk, server);
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

// Behind the running switch another one, and then the first again: the record of what runs is its own all the same.
TEST_CASE("switch doubt: a change in the place of one that says what the running one says leaves that on record") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kNonPersistent);
  std::vector<absl::Status> recorded;
  std::atomic<bool> armed{true};
  const auto ask = [&](Mode mode, std::uint32_t snapshots) {
    std::promise<absl::Status> told;
    ChangeOptions options;
    options.on_record = [&](const absl::Status& status) { told.set_value(status); };
    SettingsChange change = StorageFixture::to(mode);
    change.max_snapshots = snapshots;
    server.storage().change_settings(change, options, [](const absl::Status&) {});
    recorded.push_back(told.get_future().get());
  };
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (call != DiskCall::kRename || path.find(".snap") == path.npos || !armed.exchange(false)) return;
    ask(Mode::kHybrid, 7);
    ask(Mode::kAof, 7);
    ask(Mode::kAof, 9);
  });
  server.use(disk);
  server.start();
  server.put("a", "1");
  SettingsChange change = StorageFixture::to(Mode::kAof);
  change.max_snapshots = 7;
  REQUIRE(server.change(change).ok());
  CHECK(recorded == std::vector<absl::Status>(3));
  CHECK(server.put_with_level("b", "2") == Level::kDisk);
  server.no_longer_give("mode");
  server.kill_and_start();
  CHECK(server.data() == Data{{"a", "1"}, {"b", "2"}});
  REQUIRE(server.change(StorageFixture::to(Mode::kAof)).ok());
  CHECK(server.storage().status().settings.max_snapshots == 9);
}

// MANIFEST of `server` names a change at each of its replacements, but for those at which the mode is `but`.
struct AlwaysOnRecord {
  void look(StorageFixture& server, DiskCall call, const std::string& path, Mode but) {
    if (!armed || call != DiskCall::kRename || path.find("MANIFEST") == path.npos) return;
    const Manifest manifest = server.manifest();
    ++looked;
    if (manifest.mode == but) return;
    if (!manifest.mode_switch || manifest.mode_switch->phase == SwitchPhase::kFailed) ++missing;
  }
  std::atomic<bool> armed{false};
  std::atomic<int> looked{0};
  std::atomic<int> missing{0};
};

TEST_CASE("switch doubt: one that is asked for again stays on record when the first one fails") {
  AlwaysOnRecord record;
  std::atomic<StorageFixture*> looked_at{nullptr};
  BusyServer busy([&](DiskCall call, const std::string& path) {
    if (StorageFixture* const server = looked_at) record.look(*server, call, path, Mode::kSnapshot);
  });
  std::promise<absl::Status> again;
  StorageFixture& server = busy.server;
  busy.change(Mode::kSnapshot);
  REQUIRE(busy.recorded.get_future().get().ok());
  server.storage().change_settings(StorageFixture::to(Mode::kAof), {}, [](const absl::Status&) {});
  ChangeOptions options;
  std::promise<absl::Status> recorded;
  options.on_record = [&](const absl::Status& status) { recorded.set_value(status); };
  SettingsChange wanted = StorageFixture::to(Mode::kSnapshot);
  wanted.max_snapshots = 7;
  server.storage().change_settings(wanted, options, [&](const absl::Status& status) { again.set_value(status); });
  REQUIRE(recorded.get_future().get().ok());
  looked_at = &server;
  record.armed = true;
  busy.disk.fail({.call = DiskCall::kRename, .path_part = ".snap", .after = 1});  // The first one's own snapshot.
  busy.go_on();
  CHECK_FALSE(busy.done.get_future().get().ok());
  CHECK(again.get_future().get().ok());
  record.armed = false;
  CHECK(record.looked > 2);
  CHECK(record.missing == 0);
}

TEST_CASE("switch doubt: a setting behind a switch that a stop ends forgets neither") {
  BusyServer busy;
  StorageFixture& server = busy.server;
  busy.change(Mode::kSnapshot);
  REQUIRE(busy.recorded.get_future().get().ok());
  std::promise<absl::Status> recorded, done;
  ChangeOptions options;
  options.on_record = [&](const absl::Status& status) { recorded.set_value(status); };
  SettingsChange setting;
  setting.max_snapshots = 9;
  server.storage().change_settings(setting, options, [&](const absl::Status& status) { done.set_value(status); });
  REQUIRE(recorded.get_future().get().ok());
  std::future<absl::Status> stopped = std::async(std::launch::async, [&] { return server.stop(); });
  // Another one than that which waits: what says the same would join it, and wait with it.
  SettingsChange another;
  another.max_snapshots = 8;
  CHECK(within_bound(
      [&] { return has_reason(server.change(another, {.queue_behind_switch = false}), Reason::kShuttingDown); }));
  busy.go_on();
  CHECK(has_reason(busy.done.get_future().get(), Reason::kOutcomeUnknown));
  CHECK(has_reason(done.get_future().get(), Reason::kOutcomeUnknown));
  CHECK(stopped.get().ok());
  server.no_longer_give("mode");
  server.start();
  REQUIRE(server.change(StorageFixture::to(Mode::kSnapshot)).ok());
  CHECK(server.storage().status().settings.max_snapshots == 9);
}

// The thread that records stands still while a switch ends, a setting is to take effect and a change comes behind it.
TEST_CASE("switch doubt: a setting that takes effect leaves what was recorded behind it") {
  AlwaysOnRecord record;
  std::atomic<StorageFixture*> looked_at{nullptr};
  BusyServer busy([&](DiskCall call, const std::string& path) {
    if (StorageFixture* const server = looked_at) record.look(*server, call, path, Mode::kSnapshot);
  });
  StorageFixture& server = busy.server;
  std::promise<void> held, release;
  const std::shared_future<void> may_go_on = release.get_future().share();
  std::promise<absl::Status> first, in_place, recorded, last;
  ChangeOptions holds;
  holds.on_record = [&](const absl::Status&) {
    held.set_value();
    may_go_on.wait_for(kHeld);
  };
  server.storage().change_settings(StorageFixture::to(Mode::kNonPersistent), holds,
                                   [&](const absl::Status& status) { first.set_value(status); });
  REQUIRE(held.get_future().wait_for(kBound) == std::future_status::ready);
  SettingsChange setting;
  setting.max_snapshots = 9;
  server.storage().change_settings(setting, {}, [&](const absl::Status& status) { in_place.set_value(status); });
  busy.go_on();
  REQUIRE(first.get_future().get().ok());
  ChangeOptions tells;
  tells.on_record = [&](const absl::Status& status) {
    looked_at = &server;
    record.armed = status.ok();
    recorded.set_value(status);
  };
  server.storage().change_settings(StorageFixture::to(Mode::kSnapshot), tells,
                                   [&](const absl::Status& status) { last.set_value(status); });
  release.set_value();
  CHECK(recorded.get_future().get().ok());
  CHECK(in_place.get_future().get().ok());
  CHECK(last.get_future().get().ok());
  record.armed = false;
  CHECK(record.looked > 1);
  CHECK(record.missing == 0);
  CHECK(server.storage().status().settings.max_snapshots == 9);
}

// The first of the two fails for space; before the second has begun there is some again, and a third one comes.
TEST_CASE("switch doubt: one that is on record behind one that failed stays there when a third one comes") {
  std::optional<SwitchRecord> record;
  std::atomic<TwoOnRecord*> at{nullptr};
  TwoOnRecord two([&] {
    if (at == nullptr) return;
    at.load()->busy.disk.heal();
    std::promise<absl::Status> recorded;
    ChangeOptions options;
    options.on_record = [&](const absl::Status& status) { recorded.set_value(status); };
    SettingsChange third;
    third.max_snapshots = 3;
    at.load()->server.storage().change_settings(third, options, [](const absl::Status&) {});
    CHECK(recorded.get_future().get().ok());
    record = at.load()->server.manifest().mode_switch;
  });
  at = &two;
  two.busy.disk.fail({.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC, .from_then_on = true});
  two.busy.go_on();
  CHECK_FALSE(two.busy.done.get_future().get().ok());
  CHECK(two.next.get_future().get().ok());
  REQUIRE(record.has_value());
  CHECK(record->change.at("mode") == "NON_PERSISTENT");
  REQUIRE(record->next.has_value());
  CHECK(record->next->at("max-snapshots") == "3");
}

TEST_CASE("switch doubt: one that was never recorded fails with the one that has taken its place") {
  BusyServer busy;
  StorageFixture& server = busy.server;
  busy.disk.fail({.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC, .from_then_on = true});
  busy.change(Mode::kSnapshot);
  std::promise<absl::Status> next, later;
  server.storage().change_settings(StorageFixture::to(Mode::kNonPersistent), {},
                                   [&](const absl::Status& status) { next.set_value(status); });
  server.storage().change_settings(StorageFixture::to(Mode::kAof), {},
                                   [&](const absl::Status& status) { later.set_value(status); });
  busy.go_on();
  CHECK(has_reason(busy.done.get_future().get(), Reason::kDiskLimit));
  CHECK(has_reason(next.get_future().get(), Reason::kDiskLimit));
  CHECK(has_reason(later.get_future().get(), Reason::kDiskLimit));
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
