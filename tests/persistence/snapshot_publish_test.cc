// From a complete file to a snapshot that counts: what must still be so, what is counted, and who takes turns.
#include <algorithm>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "hooked_file_system.h"
#include "journal_fixture.h"
#include "persistence/settings_resolution.h"
#include "persistence/snapshot_publisher.h"
#include "snapshot_fixture.h"
#include "storage_fixture.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

// A publisher with all that it needs, in SNAPSHOT mode, and the MANIFEST in the test's hands.
struct PublisherFixture {
  TempDirectory home;
  HookedFileSystem fs;
  SystemClock clock;
  Store store{{.shard_count = 4}};
  std::vector<std::string> log;
  RecordingKeeper segments;
  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  StorageCore core{fs, clock, store, options()};
  std::thread io_thread{[this] { io.run(); }};
  std::optional<SnapshotPublisher> publisher;

  PublisherFixture() {
    core.directory = *DataDirectory::open(fs, core.options.directory);
    Manifest manifest;
    manifest.store_id = random_store_id();
    manifest.mode = Mode::kSnapshot;
    const auto resolved = resolve_settings({}, {}, SettingsRule::kLatest);
    REQUIRE(resolved.ok());
    manifest.settings = resolved->stored;
    core.keeper = std::make_unique<ManifestKeeper>(fs, clock, core.directory->path(), manifest);
    REQUIRE(core.keeper->update([](Manifest&) {}).ok());
    JournalOptions journal;
    journal.directory = core.directory->log_path();
    core.journal = std::make_unique<Journal>(fs, clock, segments, std::move(journal));
    Settings settings = resolved->settings;
    settings.mode = Mode::kSnapshot;
    core.adopt(settings);
    core.journal->start(0, 1000);
    core.journal->resume();
    publisher.emplace(core, io);
    publisher->begin(0, 0, 0, 1);
  }
  ~PublisherFixture() {
    publisher.reset();
    work.reset();
    io_thread.join();
  }
  StorageOptions options() {
    StorageOptions options;
    options.directory = home.file("data");
    options.stop_timeout = std::chrono::milliseconds(1);
    options.log = [this](int severity, const std::string& text) { log.push_back(std::to_string(severity) + text); };
    return options;
  }
  // While the snapshot is being written.
  void meanwhile(const std::function<void(Manifest&)>& change) {
    fs.on_create([this, change](const std::string& path) {
      if (path.find(".snap.tmp") != path.npos) REQUIRE(core.keeper->update(change).ok());
    });
  }
  std::size_t files() { return fs.list(core.directory->snapshots_path())->size(); }
  std::uint64_t failures(SnapshotFault fault) { return publisher->figures().failures[static_cast<std::size_t>(fault)]; }
};

}  // namespace

TEST_CASE("snapshot publication: a file whose mode is no longer the mode is dropped, and MANIFEST does not name it") {
  PublisherFixture f;
  set(f.store, "a", "1", 1);
  f.meanwhile([](Manifest& manifest) { manifest.mode = Mode::kNonPersistent; });
  CHECK(absl::IsCancelled(f.publisher->take()));  // As one that the switch has ended: no failure.
  CHECK(f.core.keeper->get()->snapshots.empty());
  CHECK(f.files() == 0);
  CHECK(f.failures(SnapshotFault::kPublish) == 0);
}

TEST_CASE(
    "snapshot publication: a file that another switch has overtaken is dropped, one that failed before is no matter") {
  PublisherFixture f;
  set(f.store, "a", "1", 1);
  const auto record = [](SwitchPhase phase) {
    return [phase](Manifest& manifest) {
      manifest.mode_switch.emplace();
      manifest.mode_switch->from = Mode::kSnapshot;
      manifest.mode_switch->to = Mode::kAof;
      manifest.mode_switch->phase = phase;
      manifest.mode_switch->change = {{"mode", "aof"}};
    };
  };
  f.meanwhile(record(SwitchPhase::kAccepted));
  CHECK_FALSE(f.publisher->take().ok());
  CHECK(f.files() == 0);
  REQUIRE(f.core.keeper->update([](Manifest& manifest) { manifest.mode_switch.reset(); }).ok());
  f.meanwhile(record(SwitchPhase::kAccepted));
  CHECK(f.publisher->take_last().ok());  // A stop's, beside which no switch begins.
  CHECK(f.files() == 1);
  REQUIRE(f.core.keeper->update(record(SwitchPhase::kFailed)).ok());
  f.meanwhile([](Manifest& manifest) { manifest.mode_switch.reset(); });
  CHECK(f.publisher->take().ok());
  CHECK(f.files() == 2);
}

TEST_CASE("snapshot publication: a change of MANIFEST that has nothing to do with it does not matter") {
  PublisherFixture f;
  set(f.store, "a", "1", 1);
  f.meanwhile([](Manifest& manifest) { manifest.revision_ceiling += 1000; });
  CHECK(f.publisher->take().ok());
  CHECK(f.core.keeper->get()->snapshots.size() == 1);
}

TEST_CASE("snapshot publication: pause and copied memory of the last child are known") {
  PublisherFixture f;
  CHECK(f.publisher->figures().last_pause.count() == 0);
  CHECK_FALSE(f.publisher->figures().last_copied_bytes.has_value());
  set(f.store, "a", "1", 1);
  REQUIRE(f.publisher->take().ok());
  CHECK(f.publisher->figures().last_pause.count() > 0);
  CHECK(f.publisher->figures().last_copied_bytes.value() > 0);
}

TEST_CASE("snapshot publication: one that took longer than a stop may take is worth a warning") {
  PublisherFixture f;
  // A file system slow enough for a stop timeout of 1 ms: its create() is.
  f.fs.on_create([&](const std::string& path) {
    const auto begin = std::chrono::steady_clock::now();
    while (path.find(".snap.tmp") != path.npos &&
           std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(3)) {
    }
  });
  set(f.store, "a", "1", 1);
  REQUIRE(f.publisher->take().ok());
  CHECK(std::count_if(f.log.begin(), f.log.end(), [](const std::string& line) {
          return line.substr(0, 1) == "1" && line.find("--stop-timeout (1 ms)") != line.npos;
        }) == 1);
}

TEST_CASE("snapshot publication: every failure is counted under the step that failed") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kSnapshot);
  server.use(disk);
  server.start();
  server.put("a", "1");
  const auto fail_at = [&](const Fault& fault) {
    disk.fail(fault);
    CHECK_FALSE(server.snapshot().ok());
  };
  fail_at({.call = DiskCall::kCreate, .path_part = ".snap", .error_number = ENOSPC});
  fail_at({.call = DiskCall::kWrite, .path_part = ".snap", .error_number = ENOSPC});
  fail_at({.call = DiskCall::kSync, .path_part = ".snap"});
  fail_at({.call = DiskCall::kRead, .path_part = ".snap"});
  fail_at({.call = DiskCall::kRename, .path_part = ".snap"});
  fail_at({.call = DiskCall::kWrite, .path_part = "MANIFEST", .error_number = ENOSPC});
  const StorageStatus status = server.storage().status();
  CHECK(status.snapshots_failed == 6);
  const auto count = [&](SnapshotFault fault) { return status.snapshot_failures[static_cast<std::size_t>(fault)]; };
  CHECK(count(SnapshotFault::kPrepare) == 1);
  CHECK(count(SnapshotFault::kChild) == 2);
  CHECK(count(SnapshotFault::kMismatch) == 1);
  CHECK(count(SnapshotFault::kPublish) == 2);
  CHECK(count(SnapshotFault::kNone) == 0);
}

TEST_CASE("snapshot publication: snapshot, rewrite and switch asked for at once never write two files at a time") {
  FaultyFileSystem disk;
  std::atomic<int> writing{0}, most{0}, written{0};
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (path.find(".snap.tmp") == path.npos) return;
    if (call == DiskCall::kCreate) most = std::max<int>(most, ++writing);
    if (call == DiskCall::kRename) ++written;
    if (call == DiskCall::kRename || call == DiskCall::kRemove)
      --writing;  // A switch ends a snapshot that is under way.
  });
  StorageFixture server(Mode::kAof);
  server.use(disk);
  server.start();
  for (int round = 0; round < 5; ++round) {
    server.put("a", std::to_string(round));
    std::promise<void> snapshot, rewrite, changed;
    SettingsChange change;
    change.mode = round % 2 == 0 ? Mode::kHybrid : Mode::kAof;
    server.storage().snapshot_now([&](const auto&) { snapshot.set_value(); });
    server.storage().change_settings(change, [&](const absl::Status&) { changed.set_value(); });
    server.storage().rewrite_log(
        [&](const auto&) { rewrite.set_value(); });  // Behind the switch: it gives way to none.
    snapshot.get_future().wait();
    rewrite.get_future().wait();
    changed.get_future().wait();
  }
  CHECK(written >= 5 + 3);  // A rewrite in each round, and the base of each switch into HYBRID.
  CHECK(most == 1);
}

}  // namespace kv
