#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/persistence/storage_fixture.h"

namespace kv {
namespace {

const Mode kAllModes[] = {Mode::kNonPersistent, Mode::kSnapshot, Mode::kAof, Mode::kHybrid};

// All twelve.
std::vector<std::pair<Mode, Mode>> all_pairs() {
  std::vector<std::pair<Mode, Mode>> pairs;
  for (const Mode from : kAllModes) {
    for (const Mode to : kAllModes) {
      if (from != to) pairs.emplace_back(from, to);
    }
  }
  return pairs;
}

// What a kill right after the switch leaves, when everything before it was written before it.
Data survives(Mode mode, const Data& at_switch) { return mode == Mode::kNonPersistent ? Data{} : at_switch; }

TEST_CASE("switch: all twelve pairs keep every key through the switch, a clean restart, and more writes") {
  for (const auto& [from, to] : all_pairs()) {
    INFO(word(from) << " to " << word(to));
    StorageFixture server(from);
    server.start();
    server.put_many("before", 6);
    server.erase("before3");
    if (from != Mode::kNonPersistent) REQUIRE(server.snapshot().ok());
    server.put("before4", "after the snapshot");
    server.switch_to(to);
    CHECK(server.storage().status().settings.mode == to);
    CHECK(server.storage().status().phase == SwitchPhase::kActive);
    server.put("after", "the switch");
    const Data before = server.data();
    server.restart();
    CHECK(server.data() == survives(to, before));
    CHECK(server.storage().status().settings.mode == to);
    server.put("and", "on");
    server.restart();
    CHECK(server.data().count("and") == (to == Mode::kNonPersistent ? 0 : 1));
  }
}

TEST_CASE("switch: all twelve pairs keep what the new mode promises when the server is killed after it") {
  for (const auto& [from, to] : all_pairs()) {
    INFO(word(from) << " to " << word(to));
    StorageFixture server(from);
    server.start();
    server.put_many("before", 6);
    server.switch_to(to);
    const Data at_switch = server.data();
    const Revision last = server.put("after", "the switch");
    const Data all = server.data();
    server.kill_and_start();
    CHECK(server.data() == (has_log(to) ? all : survives(to, at_switch)));
    CHECK(server.storage().status().settings.mode == to);
    CHECK(server.put("next", "1") > last);
  }
}

TEST_CASE("switch: writes that go on during each of the twelve switches are all there after a clean restart") {
  for (const auto& [from, to] : all_pairs()) {
    INFO(word(from) << " to " << word(to));
    StorageFixture server(from);
    server.start();
    server.put_many("before", 5);
    std::atomic<bool> switched{false};
    absl::Status status;
    std::jthread changer([&, target = to] {
      status = server.change(StorageFixture::to(target));
      switched = true;
    });
    int written = 0;
    while (!switched) server.put("during" + std::to_string(written++), "value");
    changer.join();
    INFO(status.ToString());
    CHECK(status.ok());
    const Data before = server.data();
    server.restart();
    CHECK(server.data() == survives(to, before));
  }
}

TEST_CASE("switch: writes acknowledged on disk during a switch out of a log survive a kill") {
  for (const Mode from : {Mode::kAof, Mode::kHybrid}) {
    StorageFixture server(from);
    server.start();
    server.put_many("before", 5);
    std::atomic<bool> switched{false};
    std::jthread changer([&] {
      server.change(StorageFixture::to(Mode::kSnapshot)).IgnoreError();
      switched = true;
    });
    // What was written while the old mode was in force was answered as on disk.
    std::vector<std::string> on_disk;
    for (int i = 0; !switched; ++i) {
      const std::string key = "during" + std::to_string(i);
      const bool old_mode = server.put_with_level(key, "value") == Level::kDisk;
      if (old_mode) on_disk.push_back(key);
    }
    changer.join();
    server.kill_and_start();
    const Data after = server.data();
    for (const std::string& key : on_disk) CHECK(after.count(key) == 1);
    // The sealed segments are replayed until a later snapshot covers them, then they go.
    REQUIRE(server.snapshot().ok());
    CHECK(server.manifest().segments.empty());
    CHECK(server.files("aof").empty());
    server.kill_and_start();
    CHECK(server.data() == after);
  }
}

TEST_CASE("switch: files of the mode that was left move to past, and are never loaded again") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  server.put_many("old", 10);
  REQUIRE(server.snapshot().ok());
  server.switch_to(Mode::kNonPersistent);
  CHECK(server.files("aof").empty());
  CHECK(server.files("snapshots").empty());
  CHECK(server.files("past/0001").size() == 2);
  server.kill_and_start();
  CHECK(server.data().empty());
  server.put("new", "1");
  server.switch_to(Mode::kAof);
  server.kill_and_start();
  CHECK(server.data() == Data{{"new", "1"}});
  CHECK(server.files("past/0001").size() == 2);
}

TEST_CASE("switch: only keep-past-generations folders stay under past, the newest ones") {
  StorageFixture server(Mode::kAof);
  server.give("keep-past-generations", "1");
  server.start();
  for (int i = 0; i < 3; ++i) {
    server.put("a", std::to_string(i));
    server.switch_to(Mode::kNonPersistent);
    server.switch_to(Mode::kAof);
  }
  CHECK(server.files("past") == std::vector<std::string>{"0003"});
}

TEST_CASE("switch: the same mode is no switch, and takes effect at once") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  SettingsChange change = StorageFixture::to(Mode::kHybrid);
  change.snapshot_interval = std::chrono::seconds(77);
  REQUIRE(server.change(change).ok());
  CHECK(server.storage().status().settings.snapshot_interval == std::chrono::seconds(77));
  CHECK(server.storage().status().phase == SwitchPhase::kNone);
}

TEST_CASE("switch: requests during a switch: the last wins, a replaced one is told, an equal one shares the answer") {
  StorageFixture server(Mode::kNonPersistent);
  server.start();
  server.put_many("a", 100);
  std::promise<absl::Status> first, same, replaced, last;
  const auto ask = [&](Mode mode, std::promise<absl::Status>& answer) {
    server.storage().change_settings(StorageFixture::to(mode), [&](absl::Status s) { answer.set_value(s); });
  };
  ask(Mode::kHybrid, first);
  ask(Mode::kHybrid, same);
  ask(Mode::kSnapshot, replaced);
  ask(Mode::kAof, last);
  CHECK(first.get_future().get().ok());
  CHECK(same.get_future().get().ok());
  CHECK(has_reason(replaced.get_future().get(), Reason::kTransitionInProgress));
  CHECK(last.get_future().get().ok());
  CHECK(server.storage().status().settings.mode == Mode::kAof);
  const Data before = server.data();
  server.kill_and_start();
  CHECK(server.data() == before);
}

// MANIFEST as a crash in the middle of a switch leaves it.
void leave_unfinished(StorageFixture& server, Mode to, SwitchPhase phase, std::uint64_t first_segment) {
  Manifest manifest = server.manifest();
  SwitchRecord record;
  record.from = manifest.mode;
  record.to = to;
  record.phase = phase;
  record.change = {{"mode", std::string(word(to))}};
  record.first_segment = first_segment;
  manifest.mode_switch = record;
  if (first_segment != 0) {
    manifest.segments.add(first_segment, first_segment);
    manifest.next_segment = first_segment + 1;
  }
  server.overwrite("MANIFEST", to_text(manifest));
}

TEST_CASE("switch: one that a crash interrupted is undone at the start and then carried out") {
  for (const SwitchPhase phase : {SwitchPhase::kAccepted, SwitchPhase::kDual}) {
    StorageFixture server(Mode::kSnapshot);
    server.start();
    server.put("a", "1");
    REQUIRE(server.snapshot().ok());
    server.kill();
    leave_unfinished(server, Mode::kAof, phase, 1);
    server.overwrite("aof/0000000000000001.aof", std::string(4096, '\0'));  // Prepared, never sealed.
    server.start();
    CHECK(server.data() == Data{{"a", "1"}});
    // It is asked for again by itself; asking too shares its answer.
    REQUIRE(server.change(StorageFixture::to(Mode::kAof)).ok());
    CHECK(server.storage().status().settings.mode == Mode::kAof);
    server.put("b", "2");
    server.kill_and_start();
    CHECK(server.data() == Data{{"a", "1"}, {"b", "2"}});
  }
}

TEST_CASE("switch: one that failed is not tried again at the next start") {
  StorageFixture server(Mode::kSnapshot);
  server.start();
  server.put("a", "1");
  REQUIRE(server.stop().ok());
  leave_unfinished(server, Mode::kAof, SwitchPhase::kFailed, 0);
  server.start();
  CHECK(server.storage().status().settings.mode == Mode::kSnapshot);
  CHECK(server.data() == Data{{"a", "1"}});
  server.restart();
  CHECK(server.storage().status().settings.mode == Mode::kSnapshot);
}

TEST_CASE("switch: a mode edited at the start is switched to, and every key comes along") {
  for (const auto& [from, to] : all_pairs()) {
    if (from == Mode::kNonPersistent) continue;
    INFO(word(from) << " to " << word(to));
    StorageFixture server(from);
    server.start();
    server.put_many("a", 10);
    const Data before = server.data();
    REQUIRE(server.stop().ok());
    server.give("mode", std::string(word(to)));
    server.start();
    CHECK(server.data() == before);
    REQUIRE(server.change(StorageFixture::to(to)).ok());  // Shares the answer of the one the start asked for.
    CHECK(server.storage().status().settings.mode == to);
    server.kill_and_start();
    CHECK(server.data() == survives(to, before));
  }
}

TEST_CASE("switch: writes are answered at the level of the mode in force, from ACTIVE on") {
  StorageFixture server(Mode::kSnapshot);
  server.start();
  CHECK(server.put_with_level("a", "1") == Level::kMemory);
  server.switch_to(Mode::kAof);
  CHECK(server.put_with_level("a", "2") == Level::kDisk);
  server.switch_to(Mode::kSnapshot);
  CHECK(server.put_with_level("a", "3") == Level::kMemory);
}

}  // namespace
}  // namespace kv
