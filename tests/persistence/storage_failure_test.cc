// Disks that fail while the server runs.
#include <atomic>
#include <functional>
#include <utility>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

TEST_CASE("storage: after a failed sync of MANIFEST nothing is written until a restart, and a stop says so") {
  FaultyFileSystem disk;
  // Not those of the log: a batch that is being written when the sync fails still gets there.
  std::atomic<int> writes{0};
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (call == DiskCall::kWrite && path.find("/aof/") == path.npos && path.find("LOCK") == path.npos) ++writes;
  });
  StorageFixture server(Mode::kHybrid);
  server.use(disk);
  server.start();
  server.put("a", "1");
  disk.fail({.call = DiskCall::kSync, .path_part = "MANIFEST"});
  SettingsChange change;
  change.max_snapshots = 9;
  CHECK_FALSE(server.change(change).ok());
  CHECK(server.storage().status().settings.max_snapshots == 5);
  CHECK_FALSE(server.storage().status().accepting_writes);
  CHECK_FALSE(server.storage().status().promise_kept);
  CHECK(server.storage().status().alarms == std::vector<std::string>{"disk_failed"});
  CHECK(has_reason(server.try_put("b", "2").status(), Reason::kWritesSuspended));
  const int written = writes;
  CHECK(written > 0);
  CHECK_FALSE(server.snapshot().ok());
  CHECK_FALSE(server.change(StorageFixture::to(Mode::kSnapshot)).ok());
  CHECK_FALSE(server.stop().ok());
  CHECK(writes == written);
  server.start();
  CHECK(server.data() == Data{{"a", "1"}});
}

// The kernel may have dropped what it could not write, and show it all the same until it forgets it.
TEST_CASE("storage: what a start shows of bytes whose sync had failed is on the disk before it shows them") {
  for (const Mode mode : {Mode::kAof, Mode::kHybrid}) {
    FaultyFileSystem disk;
    StorageFixture server(mode);
    server.use(disk);
    server.start();
    server.put("promised", "1");
    disk.fail({.call = DiskCall::kSyncData, .path_part = ".aof"});
    CHECK(has_reason(server.try_put("in doubt", "1").status(), Reason::kOutcomeUnknown));
    server.kill_and_start();
    const Data shown = server.data();
    CHECK(shown == Data{{"in doubt", "1"}, {"promised", "1"}});
    const auto found = disk.after_crash({});
    StorageFixture next(mode);
    next.use(*found);
    next.start();
    CHECK(next.data() == shown);
  }
}

TEST_CASE("storage: a snapshot that fails is counted and shown, leaves no file, and the next one works") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kSnapshot);
  server.use(disk);
  server.start();
  server.put("a", "1");
  for (const Fault& fault : {Fault{.call = DiskCall::kWrite, .path_part = ".snap", .error_number = ENOSPC},
                             Fault{.call = DiskCall::kSync, .path_part = ".snap"},
                             Fault{.call = DiskCall::kCreate, .path_part = ".snap", .error_number = ENOSPC},
                             Fault{.call = DiskCall::kRename, .path_part = ".snap"},
                             Fault{.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC}}) {
    disk.fail(fault);
    const auto failed = server.storage().status().snapshots_failed;
    CHECK_FALSE(server.snapshot().ok());
    CHECK(server.storage().status().snapshots_failed == failed + 1);
    CHECK(server.files("snapshots").empty());
    CHECK(server.storage().status().alarms == std::vector<std::string>{"snapshot_failed"});
  }
  REQUIRE(server.snapshot().ok());
  CHECK(server.storage().status().alarms.empty());
  server.kill_and_start();
  CHECK(server.data() == Data{{"a", "1"}});
}

TEST_CASE("switch: one that fails puts the old mode back whole, leaves no file, and works when asked again") {
  const std::pair<Mode, Mode> pairs[] = {{Mode::kSnapshot, Mode::kAof},        {Mode::kSnapshot, Mode::kHybrid},
                                         {Mode::kNonPersistent, Mode::kAof},   {Mode::kNonPersistent, Mode::kSnapshot},
                                         {Mode::kAof, Mode::kHybrid},          {Mode::kAof, Mode::kSnapshot},
                                         {Mode::kHybrid, Mode::kNonPersistent}};
  const Fault faults[] = {{.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC},
                          {.call = DiskCall::kWrite, .path_part = "MANIFEST", .after = 1, .error_number = ENOSPC},
                          {.call = DiskCall::kWrite, .path_part = "MANIFEST", .after = 2, .error_number = ENOSPC},
                          {.call = DiskCall::kWrite, .path_part = "MANIFEST", .after = 3, .error_number = ENOSPC},
                          {.call = DiskCall::kWrite, .path_part = ".snap", .error_number = ENOSPC}};
  int failed = 0;
  for (const auto& [from, to] : pairs) {
    for (const Fault& fault : faults) {
      INFO(word(from) << " to " << word(to) << ", " << fault.path_part << " after " << fault.after);
      FaultyFileSystem disk;
      StorageFixture server(from);
      server.use(disk);
      server.start();
      server.put("a", "1");
      const auto before = server.files("aof");
      disk.fail(fault);
      const bool ok = server.change(StorageFixture::to(to)).ok();
      disk.heal();
      server.put("b", "2");
      if (!ok) {
        ++failed;
        CHECK(server.storage().status().settings.mode == from);
        CHECK((server.put_with_level("b", "2") == Level::kDisk) == has_log(from));
        if (!has_log(from)) CHECK(server.files("aof") == before);
      }
      server.switch_to(to);
      server.put("c", "3");
      const Data all = server.data();
      CHECK(all.size() == 3);
      server.restart();
      CHECK(server.data() == (to == Mode::kNonPersistent ? Data{} : all));
    }
  }
  CHECK(failed > 10);
}

TEST_CASE("switch: one that a full disk fails refuses writes until there is space, and then the old mode goes on") {
  int waited = 0;
  for (const auto& [from, to] : {std::pair(Mode::kHybrid, Mode::kSnapshot), std::pair(Mode::kAof, Mode::kSnapshot),
                                 std::pair(Mode::kAof, Mode::kNonPersistent)}) {
    for (std::uint64_t after = 0; after < 4; ++after) {
      INFO(word(from) << " to " << word(to) << ", full after " << after);
      FaultyFileSystem disk;
      StorageFixture server(from);
      server.use(disk);
      server.start();
      server.put("a", "1");
      disk.on_call([&, writes = std::uint64_t{0}](DiskCall call, const std::string& path) mutable {
        if (call != DiskCall::kWrite || path.find("MANIFEST") == path.npos || writes++ != after) return;
        disk.fail({.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC, .from_then_on = true});
      });
      server.on_refusal([&, full = true]() mutable {
        if (!std::exchange(full, false)) return;  // The log is to be open again any moment.
        ++waited;
        CHECK(has_reason(server.try_put("b", "2").status(), Reason::kWritesSuspended));
        disk.heal();
      });
      const bool ok = server.change(StorageFixture::to(to)).ok();
      disk.heal();
      CHECK(server.storage().status().settings.mode == (ok ? to : from));
      server.put("c", "3");
      CHECK(server.data().contains("c"));
      if (ok) continue;
      server.restart();
      CHECK(server.data() == Data{{"a", "1"}, {"c", "3"}});
    }
  }
  CHECK(waited > 0);
}

TEST_CASE("switch: where the log that a full disk brings back cannot be synced, that is final, not one more attempt") {
  int struck = 0;
  for (std::uint64_t after = 0; after < 4; ++after) {
    INFO("full after " << after);
    FaultyFileSystem disk;
    StorageFixture server(Mode::kAof);
    server.use(disk);
    server.start();
    server.put("a", "1");
    disk.on_call([&, writes = std::uint64_t{0}](DiskCall call, const std::string& path) mutable {
      if (call != DiskCall::kWrite || path.find("MANIFEST") == path.npos || writes++ != after) return;
      disk.fail({.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC});
      disk.fail({.call = DiskCall::kSyncData, .path_part = ".aof", .error_number = ENOSPC});
    });
    CHECK_FALSE((server.change(StorageFixture::to(Mode::kSnapshot)).ok() && disk.faults_delivered() > 0));
    if (disk.faults_delivered() < 2) continue;
    ++struck;
    CHECK_FALSE(server.storage().journal().accepting_writes());
    CHECK(has_reason(server.try_put("b", "2").status(), Reason::kWritesSuspended));
    server.kill();
    const auto found = disk.after_crash({});
    StorageFixture next(Mode::kAof);
    next.use(*found);
    next.start();
    CHECK(next.data() == Data{{"a", "1"}});
  }
  CHECK(struck > 0);
}

TEST_CASE("switch: one that failed and is followed by a kill finds what the old mode promised") {
  for (const Mode from : {Mode::kAof, Mode::kHybrid}) {
    for (std::uint64_t after = 0; after < 4; ++after) {
      FaultyFileSystem disk;
      StorageFixture server(from);
      server.use(disk);
      server.start();
      server.put("a", "1");
      disk.fail({.call = DiskCall::kWrite, .path_part = "MANIFEST", .after = after, .error_number = ENOSPC});
      const bool ok = server.change(StorageFixture::to(Mode::kSnapshot)).ok();
      disk.heal();
      server.put("b", "2");
      INFO(word(from) << ", failing after " << after << (ok ? ", switched" : ", not switched"));
      server.kill();
      const auto found = disk.after_crash({});
      StorageFixture next(from);
      next.use(*found);
      next.start();
      CHECK(next.data() == (ok ? Data{{"a", "1"}} : Data{{"a", "1"}, {"b", "2"}}));
    }
  }
}

// The disk fills when MANIFEST is to name the new mode, and again when the old mode opens its log: at each write of
// that.
TEST_CASE("switch: a log that a second failure keeps from being opened again is not in the way of the one that is") {
  int named_and_not_begun = 0;
  for (const auto& [to, switch_write] : {std::pair(Mode::kNonPersistent, 2), std::pair(Mode::kSnapshot, 3)}) {
    for (std::uint64_t after = 0; after < 4; ++after) {
      INFO("to " << word(to) << ", the log's write " << after << " fails");
      FaultyFileSystem disk;
      StorageFixture server(Mode::kAof);
      std::atomic<int> manifests{-1000};
      std::atomic<bool> named{false}, named_again{false};
      disk.on_call([&, fill_at = switch_write](DiskCall call, const std::string& path) {
        if (call != DiskCall::kWrite || path.find("MANIFEST") == path.npos) return;
        if (++manifests == fill_at) {
          disk.fail({.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC});
          disk.fail({.call = DiskCall::kWrite, .path_part = ".aof", .after = after, .error_number = ENOSPC});
        }
        if (manifests == fill_at + 1) named = disk.faults_delivered() == 1;
        if (manifests == fill_at + 2) named_again = disk.faults_delivered() == 2;
      });
      server.use(disk);
      server.start();
      server.put("a", "1");
      manifests = 0;
      REQUIRE_FALSE(server.change(StorageFixture::to(to)).ok());
      REQUIRE(disk.faults_delivered() == 2);
      if (named && named_again) ++named_and_not_begun;
      disk.heal();
      server.put("b", "2");
      const auto left = disk.after_crash({});
      const Manifest manifest = server.manifest();
      for (const std::string& name : server.files("aof")) {
        const std::uint64_t number = std::stoull(name);
        CHECK((manifest.segments.contains(number) || number > manifest.segments.numbers().back()));
      }
      server.kill();
      StorageFixture next(Mode::kAof);
      next.use(*left);
      next.start();
      CHECK(next.data() == Data{{"a", "1"}, {"b", "2"}});
    }
  }
  CHECK(named_and_not_begun > 0);
}

// Calls `then` once, when a snapshot that is being taken gets its name: after its cut, before MANIFEST names it.
void at_publication(FaultyFileSystem& disk, std::atomic<bool>& armed, std::function<void()> then) {
  disk.on_call([&armed, then = std::move(then)](DiskCall call, const std::string& path) {
    if (call == DiskCall::kRename && path.find(".snap") != path.npos && armed.exchange(false)) then();
  });
}

TEST_CASE("switch: a write between the cut and the seal was acknowledged on disk, and survives a power cut") {
  for (const Mode from : {Mode::kAof, Mode::kHybrid}) {
    FaultyFileSystem disk;
    std::atomic<bool> armed{false};
    StorageFixture server(from);
    at_publication(disk, armed, [&] { CHECK(server.put_with_level("between", "1") == Level::kDisk); });
    server.use(disk);
    server.start();
    server.put("before", "1");
    armed = true;
    server.switch_to(Mode::kSnapshot);
    CHECK_FALSE(armed);
    server.put("after", "not promised");
    const auto found = disk.after_crash({});
    StorageFixture next(from);
    next.use(*found);
    next.start();
    CHECK(next.data() == Data{{"before", "1"}, {"between", "1"}});
    // Until a later snapshot covers them.
    REQUIRE(next.put("more", "1") > 3);
    REQUIRE(next.snapshot().ok());
    CHECK(next.files("aof").empty());
    next.kill_and_start();
    CHECK(next.data().size() == 3);
  }
}

TEST_CASE(
    "switch: until the base counts, answers carry the old level, disk is refused, and a crash keeps the old mode") {
  for (const Mode to : {Mode::kAof, Mode::kHybrid}) {
    FaultyFileSystem disk;
    std::unique_ptr<FaultyFileSystem> in_between;
    std::atomic<bool> armed{false};
    StorageFixture server(Mode::kSnapshot);
    at_publication(disk, armed, [&] {
      CHECK(server.storage().status().phase == SwitchPhase::kDual);
      CHECK(server.put_with_level("dual", "1") == Level::kMemory);
      CHECK(has_reason(server.last_disk_check(), Reason::kDurabilityUnavailable));
      in_between = disk.after_crash({Survivors::Which::kAll, 0, 0, 0});
    });
    server.use(disk);
    server.start();
    server.put("old", "1");
    REQUIRE(server.snapshot().ok());
    armed = true;
    server.switch_to(to);
    CHECK(server.data().size() == 2);
    CHECK(server.put_with_level("new", "1") == Level::kDisk);
    CHECK(server.last_disk_check().ok());
    const Data all = server.data();
    server.kill_and_start();
    CHECK(server.data() == all);

    // The machine that stopped in between has the old mode's state, and carries the switch out.
    REQUIRE(in_between != nullptr);
    StorageFixture next(Mode::kSnapshot);
    next.use(*in_between);
    next.start();
    CHECK(next.data() == Data{{"old", "1"}});
    REQUIRE(next.change(StorageFixture::to(to)).ok());
    CHECK(next.storage().status().settings.mode == to);
    next.put("new", "2");
    next.kill_and_start();
    CHECK(next.data() == Data{{"old", "1"}, {"new", "2"}});
  }
}

TEST_CASE(
    "storage: a snapshot trims the segments that its own sync has closed, however slow the disk is at closing them") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kAof);
  std::atomic<bool> held{false};
  std::promise<void> taken;
  const std::shared_future<void> over = taken.get_future().share();
  // Slower than everything else that a snapshot waits for. The first segment keeps the strand here until the snapshot
  // waits for its sync, and the second is cut behind that: whoever does not wait for it is over before.
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (held && call == DiskCall::kTruncate && path.ends_with(".aof")) over.wait_for(std::chrono::milliseconds(1500));
  });
  server.give("log-segment-size", "1MiB");
  server.give("fsync", "never");
  server.use(disk);
  server.start();
  held = true;
  server.put_many("a", 30, 100'000);  // in three segments
  CHECK(server.snapshot().ok());
  CHECK(server.storage().journal().closed_segments().empty());
  CHECK(server.manifest().segments.ranges().front().first == server.storage().journal().figures().current_segment);
  taken.set_value();
  held = false;
}

TEST_CASE("storage: a published snapshot's log is on disk through its cut, under every fsync policy") {
  for (const char* policy : {"always", "interval", "never"}) {
    for (const Mode mode : {Mode::kAof, Mode::kHybrid}) {
      FaultyFileSystem disk;
      StorageFixture server(mode);
      server.give("fsync", policy);
      server.give("fsync-interval", "1h");
      server.use(disk);
      server.start();
      server.put("a", "1");
      server.put("b", "1");
      const Data at_cut = server.data();
      REQUIRE(server.snapshot().ok());
      const auto found = disk.after_crash({});
      StorageFixture next(mode);
      next.use(*found);
      next.start();
      CHECK(next.data() == at_cut);
    }
  }
}

TEST_CASE("storage: a killed server starts on a disk without a free byte: it gives back what was prepared") {
  constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40;
  FaultyFileSystem disk;
  StorageFixture server(Mode::kHybrid);
  server.use(disk);
  server.start();
  server.put("a", "1");
  server.kill();
  disk.limit_capacity(kPlenty);
  disk.limit_capacity(kPlenty - *disk.free_bytes("/"));
  REQUIRE(*disk.free_bytes("/") == 0);
  server.start();
  CHECK(server.data() == Data{{"a", "1"}});
  server.put("b", "2");
}

}  // namespace
}  // namespace kv
