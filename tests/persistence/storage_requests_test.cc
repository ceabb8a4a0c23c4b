// What Storage is asked while it runs: changes with conditions, snapshots, rewrites, watermarks.
#include <array>
#include <atomic>
#include <filesystem>
#include <thread>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

using namespace std::chrono_literals;
using Answer = ChangeOptions::Answer;

SettingsChange keep(std::uint32_t snapshots) {
  SettingsChange change;
  change.max_snapshots = snapshots;
  return change;
}

std::uint64_t version(StorageFixture& server) { return server.storage().settings_in_force().version; }

}  // namespace

TEST_CASE("requests: the version of the settings counts every change, and goes on after a restart") {
  StorageFixture server;
  server.start();
  CHECK(version(server) == 1);
  REQUIRE(server.change(keep(7)).ok());
  CHECK(version(server) == 2);
  REQUIRE(server.change(keep(7)).ok());  // The same again is no change.
  CHECK(version(server) == 2);
  server.switch_to(Mode::kAof);
  CHECK(version(server) == 3);
  server.kill_and_start();
  CHECK(version(server) == 3);
  server.give("max-snapshots", "9");  // Edited between two starts.
  server.restart();
  CHECK(version(server) == 4);
  CHECK(server.storage().settings_in_force().settings.max_snapshots == 9);
}

TEST_CASE("requests: a change for another version than the one in force is refused and changes nothing") {
  StorageFixture server;
  server.start();
  REQUIRE(server.change(keep(7)).ok());
  for (const SettingsChange& change : {keep(8), StorageFixture::to(Mode::kAof)}) {
    const absl::Status refused = server.change(change, {.expected_version = 1});
    CHECK(has_reason(refused, Reason::kConfigVersionMismatch));
    CHECK(facts_of(refused).at("config_version") == "2");
  }
  CHECK(server.storage().settings_in_force().settings.max_snapshots == 7);
  CHECK(server.storage().settings_in_force().settings.mode == Mode::kHybrid);
  CHECK(server.change(keep(8), {.expected_version = 2}).ok());
}

TEST_CASE("requests: every setting of a change is taken over, survives a kill, and is known as set at run time") {
  StorageFixture server(Mode::kAof);
  server.start();
  SettingsChange change = keep(9);
  change.snapshot_interval = 77s;
  change.snapshot_min_changes = 0;
  change.log_segment_bytes = 3 << 20;
  change.fsync = FsyncPolicy::kInterval;
  change.fsync_interval = 250ms;
  change.log_rewrite_growth_percent = 150;
  change.log_rewrite_min_bytes = 5 << 20;
  REQUIRE(server.change(change).ok());
  CHECK(server.put_with_level("k", "v") == Level::kOs);  // The policy counts at once.
  server.kill_and_start();
  const SettingsInForce in_force = server.storage().settings_in_force();
  Settings expected = with_change({}, change);
  expected.mode = Mode::kAof;
  CHECK(in_force.settings == expected);
  CHECK(in_force.settings == server.storage().status().settings);
  CHECK(in_force.origins.at("fsync-interval") == SettingOrigin::kRuntime);
  CHECK(in_force.origins.at("mode") == SettingOrigin::kStartup);
  CHECK(in_force.origins.at("keep-past-generations") == SettingOrigin::kDefault);
}

TEST_CASE("requests: a switch under way refuses another change that will not queue, and joins the same one") {
  FaultyFileSystem disk;
  StorageFixture server(Mode::kNonPersistent);
  server.use(disk);
  std::atomic<bool> armed{false};
  std::promise<absl::Status> recorded, joined;
  const auto into = [](auto& promise) { return [&](absl::Status status) { promise.set_value(std::move(status)); }; };
  const ChangeOptions now{.queue_behind_switch = false};
  // The base is written, and does not count yet.
  disk.on_call([&](DiskCall call, const std::string& path) {
    if (call != DiskCall::kRename || !path.ends_with(".snap.tmp") || !armed.exchange(false)) return;
    const absl::Status refused = server.change(keep(3), now);
    CHECK(has_reason(refused, Reason::kTransitionInProgress));
    CHECK(refused.code() == absl::StatusCode::kAborted);
    CHECK(server.change(StorageFixture::to(Mode::kAof), {.answer = Answer::kRecorded}).ok());
    server.storage().change_settings(StorageFixture::to(Mode::kAof), now, into(joined));
    const StorageStatus status = server.storage().status();
    CHECK(status.phase == SwitchPhase::kDual);
    CHECK(status.settings.mode == Mode::kNonPersistent);
    CHECK(status.switching_to == Mode::kAof);
    CHECK(status.switch_base == 0);
  });
  server.start();
  server.put_many("k", 10);
  armed = true;
  server.storage().change_settings(StorageFixture::to(Mode::kAof), {.answer = Answer::kRecorded}, into(recorded));
  CHECK(recorded.get_future().get().ok());
  CHECK(joined.get_future().get().ok());
  CHECK_FALSE(armed);
  const StorageStatus status = server.storage().status();
  CHECK(status.settings.mode == Mode::kAof);
  CHECK(status.phase == SwitchPhase::kActive);
  CHECK(status.switching_from == Mode::kNonPersistent);
  CHECK(status.switch_base == status.snapshot_revision);
  CHECK(status.switch_progress == 1);
  CHECK(status.switch_failure.empty());
  CHECK(status.settings.max_snapshots == 5);
}

TEST_CASE("requests: a snapshot on request says which it is, and the list has it, verified and oldest first") {
  StorageFixture server(Mode::kSnapshot);
  server.start();
  server.put_many("a", 3);
  const auto first = server.try_snapshot();
  REQUIRE(first.ok());
  CHECK(first->record.cut == 3);
  CHECK(first->record.keys == 3);
  CHECK(first->name == "0000000000000001.snap");
  server.put("b", "1");
  REQUIRE(server.snapshot().ok());
  std::vector<StoredSnapshot> list = server.storage().snapshots();
  REQUIRE(list.size() == 2);
  CHECK(list[0].record == first->record);
  CHECK(list[1].record.cut == 4);
  CHECK((list[0].verified && list[1].verified));
  // After a start, the one that was loaded is known to be good, the older one only by its name.
  server.kill_and_start();
  list = server.storage().snapshots();
  REQUIRE(list.size() == 2);
  CHECK_FALSE(list[0].verified);
  CHECK(list[1].verified);
}

TEST_CASE("requests: modes that have no snapshot, or no log, say so") {
  StorageFixture nothing(Mode::kNonPersistent);
  nothing.start();
  CHECK(has_reason(nothing.snapshot(), Reason::kDurabilityUnavailable));
  CHECK(has_reason(nothing.rewrite().status(), Reason::kDurabilityUnavailable));
  StorageFixture dumps(Mode::kSnapshot);
  dumps.start();
  CHECK(has_reason(dumps.rewrite().status(), Reason::kDurabilityUnavailable));
}

TEST_CASE("requests: a rewrite drops the closed segments that the new base covers, those from before the start too") {
  StorageFixture server(Mode::kAof);
  server.give("log-segment-size", "1MiB");
  server.start();
  server.put_many("same", 40, 100'000);  // About four segments.
  server.put_many("same", 40, 100'000);
  server.kill_and_start();
  CHECK(server.storage().status().log_bytes > 7'000'000);
  const auto rewritten = server.rewrite();
  REQUIRE(rewritten.ok());
  CHECK(rewritten->bytes_before > 7'000'000);
  CHECK(rewritten->bytes_after < 2'000'000);
  CHECK(rewritten->bytes_after == server.storage().status().log_bytes);
  const Data before = server.data();
  server.kill_and_start();
  CHECK(server.data() == before);
}

TEST_CASE("requests: callers that ask for a snapshot at once are served by few of them") {
  StorageFixture server(Mode::kSnapshot);
  server.start();
  server.put_many("k", 100);
  constexpr int kCallers = 50;
  std::atomic<int> served{0}, failed{0};
  std::promise<void> all;
  for (int i = 0; i < kCallers; ++i) {
    server.storage().snapshot_now([&](const absl::StatusOr<StoredSnapshot>& taken) {
      if (!taken.ok()) ++failed;
      if (++served == kCallers) all.set_value();
    });
  }
  all.get_future().get();
  CHECK(failed == 0);
  CHECK(server.storage().status().snapshots_taken < kCallers / 2);
}

TEST_CASE("requests: the last snapshot before everything is given up goes to the past, as the newest of it") {
  for (const Mode from : {Mode::kSnapshot, Mode::kAof, Mode::kHybrid}) {
    INFO(word(from));
    StorageFixture server(from);
    server.start();
    server.put("k", "v");
    REQUIRE(server.change(StorageFixture::to(Mode::kNonPersistent), {.snapshot_first = true}).ok());
    CHECK(server.storage().status().snapshots_taken == 1);
    const Manifest manifest = server.manifest();
    REQUIRE(manifest.past.size() == 1);
    CHECK(manifest.past.front().snapshots.size() == 1);
  }
}

TEST_CASE("requests: no watermark ever goes back, nor above the one before it, whatever modes a busy writer sees") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  std::atomic<bool> stop{false};
  std::uint64_t looks = 0;
  std::string wrong;
  absl::Status failed;
  std::jthread watcher([&] {
    // Applied, os, durable, snapshot: each at most the one before it, and at least what it was.
    std::array<Revision, 4> before{};
    for (; !stop && wrong.empty(); ++looks) {
      const StorageStatus status = server.storage().status();
      const std::array<Revision, 4> now{status.watermarks.applied, status.watermarks.os, status.watermarks.durable,
                                        status.snapshot_revision};
      for (std::size_t i = 0; i < now.size(); ++i) {
        if (now[i] < before[i]) wrong = fmt::format("{} after {}", fmt::join(now, " "), fmt::join(before, " "));
        if (i > 0 && now[i] > now[i - 1]) wrong = fmt::format("{}", fmt::join(now, " "));
      }
      before = now;
    }
  });
  std::jthread changer([&] {
    for (const Mode mode : {Mode::kAof, Mode::kSnapshot, Mode::kHybrid, Mode::kNonPersistent, Mode::kAof,
                            Mode::kNonPersistent, Mode::kSnapshot, Mode::kNonPersistent, Mode::kHybrid}) {
      failed.Update(server.change(StorageFixture::to(mode)));
      if (mode == Mode::kAof || mode == Mode::kSnapshot) server.snapshot().IgnoreError();
    }
    stop = true;
  });
  for (int i = 0; !stop; ++i) server.put("k" + std::to_string(i % 100), "value");
  changer.join();
  watcher.join();
  CHECK(failed.ok());
  CHECK(wrong == "");
  CHECK(looks > 100);
}

TEST_CASE("requests: a switch that failed leaves no watermark of the log it threw away") {
  StorageFixture server(Mode::kNonPersistent);
  server.start();
  server.put("a", "1");
  std::filesystem::remove_all(server.path("snapshots"));
  const absl::Status failed = server.change(StorageFixture::to(Mode::kAof));
  CHECK_FALSE(failed.ok());
  server.put("b", "2");
  const StorageStatus status = server.storage().status();
  CHECK(status.phase == SwitchPhase::kFailed);
  CHECK_FALSE(status.switch_failure.empty());
  CHECK(status.settings.mode == Mode::kNonPersistent);
  CHECK(status.watermarks.applied == 2);
  CHECK(status.watermarks.durable == 0);
}

}  // namespace kv
