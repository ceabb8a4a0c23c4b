// What the OK of a switch says: all that was answered before it is as safe as the new mode promises.
#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

// A disk whose syncs of the log are late, once they are told to be: each waits until the switch has said OK, or, if it
// waits for the sync, for a moment.
class LateLog {
 public:
  // `at_publication` is called once, when the switch's snapshot gets its name: its cut is behind, the new mode not in
  // force yet. From then on syncs are late.
  LateLog(FaultyFileSystem& disk, std::function<void()> at_publication) : disk_(disk) {
    disk.on_call([this, once = std::move(at_publication)](DiskCall call, const std::string& path) {
      if (call == DiskCall::kRename && path.find(".snap") != path.npos && !late_.exchange(true)) once();
      if (call != DiskCall::kSyncData || !path.ends_with(".aof") || !late_) return;
      std::unique_lock lock(mutex_);
      told_.wait_for(lock, std::chrono::milliseconds(300), [this] { return left_ != nullptr; });
    });
  }
  void begin() { late_ = true; }

  // What a power cut leaves at the very moment when the switch says OK.
  std::unique_ptr<FaultyFileSystem> left_at_ok(StorageFixture& server, Mode to) {
    std::promise<absl::Status> done;
    server.storage().change_settings(StorageFixture::to(to), [&](absl::Status status) {
      {
        std::lock_guard lock(mutex_);
        left_ = disk_.after_crash({});
      }
      told_.notify_all();
      done.set_value(std::move(status));
    });
    const absl::Status switched = done.get_future().get();
    INFO(switched.ToString());
    REQUIRE(switched.ok());
    server.kill();
    return std::move(left_);
  }

 private:
  FaultyFileSystem& disk_;
  std::atomic<bool> late_{false};
  std::mutex mutex_;
  std::condition_variable told_;
  std::unique_ptr<FaultyFileSystem> left_;  // guarded
};

Data found_on(FaultyFileSystem& disk, Mode mode) {
  StorageFixture next(mode);
  next.use(disk);
  next.start();
  return next.data();
}

TEST_CASE("switch: when it says OK, what was answered above its cut outlives a power cut") {
  const std::pair<Mode, Mode> pairs[] = {{Mode::kNonPersistent, Mode::kAof},
                                         {Mode::kNonPersistent, Mode::kHybrid},
                                         {Mode::kSnapshot, Mode::kAof},
                                         {Mode::kSnapshot, Mode::kHybrid}};
  for (const auto& [from, to] : pairs) {
    INFO(word(from) << " to " << word(to));
    FaultyFileSystem disk;
    StorageFixture server(from);
    LateLog log(disk, [&] { CHECK(server.put_with_level("above the cut", "2") == Level::kMemory); });
    server.use(disk);
    server.start();
    server.put("before", "1");
    const auto left = log.left_at_ok(server, to);
    CHECK(found_on(*left, to) == Data{{"above the cut", "2"}, {"before", "1"}});
  }
}

TEST_CASE("switch: from log to log it says OK when the log is on disk") {
  for (const auto& [from, to] : {std::pair(Mode::kHybrid, Mode::kAof), std::pair(Mode::kAof, Mode::kHybrid)}) {
    INFO(word(from) << " to " << word(to));
    FaultyFileSystem disk;
    StorageFixture server(from);
    LateLog log(disk, [] {});
    server.give("fsync", "never");
    server.use(disk);
    server.start();
    log.begin();
    server.put("a", "1");
    const auto left = log.left_at_ok(server, to);
    CHECK(found_on(*left, to) == Data{{"a", "1"}});
  }
}

// MANIFEST keeps its record, since the disk has no space for another one just then.
TEST_CASE("switch: the log of one that failed never counts, whatever is written to MANIFEST afterwards") {
  for (const bool another_switch : {false, true}) {
    INFO((another_switch ? "another switch" : "a setting"));
    FaultyFileSystem disk;
    StorageFixture server(Mode::kSnapshot);
    int snapshots = 0;
    std::unique_ptr<FaultyFileSystem> left;
    disk.on_call([&](DiskCall call, const std::string& path) {
      if (call != DiskCall::kCreate || path.find(".snap") == path.npos) return;
      if (++snapshots == 2) {
        server.put("logged", "above a gap");
        disk.fail({.call = DiskCall::kWrite, .path_part = ".snap", .error_number = ENOSPC});
        disk.fail({.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC});
      }
      if (snapshots == 3) left = disk.after_crash({});
    });
    server.use(disk);
    server.start();
    server.put("a", "1");
    REQUIRE(server.snapshot().ok());
    server.put("lost", "in no snapshot");
    REQUIRE_FALSE(server.change(StorageFixture::to(Mode::kAof)).ok());
    disk.heal();
    if (another_switch) {
      REQUIRE(server.change(StorageFixture::to(Mode::kHybrid)).ok());
      REQUIRE(left != nullptr);
    } else {
      SettingsChange setting;
      setting.max_snapshots = 7;
      REQUIRE(server.change(setting).ok());
      left = disk.after_crash({});
    }
    server.kill();
    CHECK(found_on(*left, Mode::kSnapshot) == Data{{"a", "1"}});
  }
}

TEST_CASE("switch: it is not told ACTIVE when the log cannot be synced, and stands all the same") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kHybrid);
  server.give("fsync", "never");
  server.use(disk);
  server.start();
  server.put("a", "1");
  // What is written when MANIFEST has the new mode is all that the sync behind it is for.
  std::atomic<int> manifests{0};
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (call != DiskCall::kRename || path.find("MANIFEST") == path.npos || ++manifests != 2) return;
    server.put("b", "2");
    disk.fail({.call = DiskCall::kSyncData, .path_part = ".aof"});
  });
  CHECK_FALSE(server.change(StorageFixture::to(Mode::kAof)).ok());
  const StorageStatus status = server.storage().status();
  CHECK(status.phase == SwitchPhase::kFailed);
  CHECK_FALSE(status.switch_failure.empty());
  CHECK(server.manifest().mode == Mode::kAof);
  server.kill();
  server.no_longer_give("mode");
  server.start();
  CHECK(server.storage().status().settings.mode == Mode::kAof);
  CHECK(server.data() == Data{{"a", "1"}, {"b", "2"}});
}

TEST_CASE("switch: from HYBRID into AOF nothing goes while the log is not on disk") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kHybrid);
  server.give("fsync", "never");
  server.give("keep-past-generations", "0");
  server.use(disk);
  server.start();
  for (int i = 0; i < 3; ++i) {
    server.put("a", std::to_string(i));
    REQUIRE(server.snapshot().ok());
  }
  server.put("b", "2");
  const Manifest before = server.manifest();
  const std::vector<std::string> segments = server.files("aof"), snapshots = server.files("snapshots");
  disk.fail({.call = DiskCall::kSyncData, .path_part = ".aof"});
  CHECK_FALSE(server.change(StorageFixture::to(Mode::kAof)).ok());
  CHECK(server.manifest().mode == Mode::kHybrid);
  CHECK(server.manifest().snapshots == before.snapshots);
  CHECK(server.files("aof") == segments);
  CHECK(server.files("snapshots") == snapshots);
  // Nor is anything begun, or changed, when the journal has failed. Who waited for the sync was told a moment before.
  const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (server.storage().status().alarms.empty() && std::chrono::steady_clock::now() < bound) {
    std::this_thread::yield();
  }
  CHECK(server.storage().status().alarms == std::vector<std::string>{"disk_failed"});
  const Manifest failed = server.manifest();
  SettingsChange setting;
  setting.max_snapshots = 7;
  for (const SettingsChange& change : {StorageFixture::to(Mode::kAof), StorageFixture::to(Mode::kSnapshot), setting}) {
    CHECK(has_reason(server.change(change), Reason::kWritesSuspended));
  }
  // Not all of it: segments that were being prepared may be named just then.
  CHECK(server.manifest().mode_switch == failed.mode_switch);
  CHECK(server.manifest().settings == failed.settings);
  CHECK(server.manifest().snapshots == failed.snapshots);
}

TEST_CASE("switch: a stop does not wait for one that waits for a full disk") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kSnapshot);
  server.use(disk);
  server.start();
  std::atomic<bool> armed{true};
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (call != DiskCall::kRename || path.find(".snap") == path.npos || !armed.exchange(false)) return;
    disk.fail({.call = DiskCall::kWrite, .path_part = ".aof", .error_number = ENOSPC, .from_then_on = true});
    server.put("above the cut", "1");
  });
  std::future<absl::Status> switched =
      std::async(std::launch::async, [&] { return server.change(StorageFixture::to(Mode::kAof)); });
  const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (server.manifest().mode != Mode::kAof && std::chrono::steady_clock::now() < bound) std::this_thread::yield();
  CHECK(server.manifest().mode == Mode::kAof);
  std::future<absl::Status> stopped = std::async(std::launch::async, [&] { return server.stop(); });
  const bool ends = stopped.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  CHECK(ends);
  disk.heal();  // So that this case ends, whatever is wrong.
  const absl::Status saved = stopped.get();
  CHECK_FALSE(saved.ok());  // Not everything was saved, and it says so.
  CHECK_FALSE(switched.get().ok());
}

TEST_CASE("switch: names in the log's directory that cannot be synced on the way to past/ are a failed disk") {
  const int error_number = GENERATE(EIO, ENOSPC, EDQUOT, EAGAIN);
  FaultyFileSystem disk;
  StorageFixture server(Mode::kSnapshot);
  server.use(disk);
  server.start();
  server.put("a", "1");
  REQUIRE(server.snapshot().ok());
  disk.fail({.call = DiskCall::kSyncDirectory, .path_part = "past/", .error_number = error_number});
  (void)server.change(StorageFixture::to(Mode::kAof));
  CHECK(disk.faults_delivered() == 1);
  CHECK_FALSE(server.storage().status().accepting_writes);
  CHECK_FALSE(server.try_put("b", "2").ok());
}

}  // namespace
}  // namespace kv
