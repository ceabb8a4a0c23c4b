#include "persistence/storage.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/persistence/storage_fixture.h"

namespace kv {
namespace {

const Mode kAllModes[] = {Mode::kNonPersistent, Mode::kSnapshot, Mode::kAof, Mode::kHybrid};

TEST_CASE("storage: a fresh directory starts empty, in the mode that was given, with revision 1 first") {
  for (const Mode mode : kAllModes) {
    StorageFixture server(mode);
    server.start();
    CHECK(server.storage().recovery().fresh);
    CHECK(server.data().empty());
    CHECK(server.put("a", "1") == 1);
    CHECK(server.storage().status().settings.mode == mode);
  }
}

TEST_CASE("storage: a clean stop loses nothing in any mode that has files, and revisions go on") {
  for (const Mode mode : kAllModes) {
    INFO(word(mode));
    StorageFixture server(mode);
    server.start();
    server.put("a", "1");
    server.put("b", "2");
    server.erase("a");
    server.put("line\nbreak and blank", std::string("\0\n", 2));
    const Data before = server.data();
    server.restart();
    CHECK(server.storage().recovery().clean_shutdown);
    CHECK(server.data() == (mode == Mode::kNonPersistent ? Data{} : before));
    CHECK(server.put("c", "3") == 5);
  }
}

TEST_CASE("storage: with a log nothing acknowledged is lost without a stop, and no revision is given twice") {
  for (const Mode mode : {Mode::kAof, Mode::kHybrid}) {
    INFO(word(mode));
    StorageFixture server(mode);
    server.start();
    Revision last = 0;
    for (int round = 0; round < 4; ++round) {
      const Data before = server.data();
      if (round > 0) CHECK(before.size() == static_cast<std::size_t>(round) * 19);
      for (int i = 0; i < 20; ++i) {
        const Revision revision = server.put(std::to_string(round) + "/" + std::to_string(i), "value");
        CHECK(revision > last);
        last = revision;
      }
      server.erase(std::to_string(round) + "/7");
      const Data written = server.data();
      server.kill_and_start();
      CHECK(server.data() == written);
      CHECK_FALSE(server.storage().recovery().clean_shutdown);
    }
  }
}

TEST_CASE("storage: without a stop SNAPSHOT comes back with exactly one published cut") {
  StorageFixture server(Mode::kSnapshot);
  server.start();
  server.put("a", "1");
  REQUIRE(server.snapshot().ok());
  server.put("a", "2");
  const Revision last = server.put("b", "1");
  server.kill_and_start();
  CHECK(server.data() == Data{{"a", "1"}});
  CHECK(server.put("c", "1") > last);
}

TEST_CASE("storage: without a stop NON_PERSISTENT comes back empty and still gives no revision twice") {
  StorageFixture server(Mode::kNonPersistent);
  server.start();
  const Revision last = server.put("a", "1");
  server.kill_and_start();
  CHECK(server.data().empty());
  CHECK(server.put("a", "1") > last);
}

TEST_CASE("storage: snapshots and the log behind them give the same data as the log alone") {
  for (const Mode mode : {Mode::kAof, Mode::kHybrid}) {
    StorageFixture server(mode);
    server.start();
    server.put_many("a", 50);
    REQUIRE(server.snapshot().ok());
    server.put_many("b", 50);
    server.erase("a7");
    REQUIRE(server.snapshot().ok());
    server.put("a8", "changed");
    server.erase("b9");
    const Data before = server.data();
    server.kill_and_start();
    CHECK(server.data() == before);
    CHECK(server.storage().recovery().records_replayed == 2);
  }
}

TEST_CASE("storage: settings changed at run time survive a restart, and the start says which value won") {
  StorageFixture server(Mode::kSnapshot);
  server.give("max-snapshots", "3");
  server.start();
  SettingsChange change;
  change.max_snapshots = 7;
  change.log_segment_bytes = 5 << 20;
  REQUIRE(server.change(change).ok());
  server.kill_and_start();
  CHECK(server.storage().status().settings.max_snapshots == 7);
  CHECK(server.storage().status().settings.log_segment_bytes == 5 << 20);
  for (const SettingDecision& decision : server.storage().decisions()) {
    if (decision.name == "max-snapshots") CHECK(decision.why == "set at run time (start value unchanged since)");
  }
  // Somebody edits the flag: the last edit wins.
  server.give("max-snapshots", "4");
  server.kill_and_start();
  CHECK(server.storage().status().settings.max_snapshots == 4);
}

TEST_CASE("storage: a change out of bounds is refused and nothing changes") {
  StorageFixture server;
  server.start();
  SettingsChange change;
  change.mode = Mode::kAof;
  change.max_snapshots = 5000;
  CHECK(has_reason(server.change(change), Reason::kConfigInvalid));
  CHECK(server.storage().status().settings.mode == Mode::kHybrid);
  CHECK(server.storage().status().settings.max_snapshots == 5);
}

TEST_CASE("storage: SNAPSHOT keeps the newest max-snapshots, and never touches a stranger") {
  StorageFixture server(Mode::kSnapshot);
  server.give("max-snapshots", "2");
  server.start();
  server.overwrite("snapshots/precious.snap", "somebody else's");
  for (int i = 0; i < 5; ++i) {
    server.put("a", std::to_string(i));
    REQUIRE(server.snapshot().ok());
  }
  CHECK(server.files("snapshots") ==
        std::vector<std::string>{"0000000000000004.snap", "0000000000000005.snap", "precious.snap"});
  server.restart();
  CHECK(server.storage().recovery().strangers == std::vector<std::string>{"snapshots/precious.snap"});
  CHECK(server.read("snapshots/precious.snap") == "somebody else's");
  CHECK(server.data() == Data{{"a", "4"}});
}

TEST_CASE("storage: HYBRID keeps the log from the second-newest snapshot on, AOF from its base") {
  for (const Mode mode : {Mode::kHybrid, Mode::kAof}) {
    INFO(word(mode));
    StorageFixture server(mode);
    server.give("log-segment-size", "1MiB");
    server.give("max-snapshots", "2");
    server.give("fsync", "never");
    server.start();
    const auto fill = [&](const std::string& prefix) { server.put_many(prefix, 30, 100'000); };
    fill("a");
    REQUIRE(server.snapshot().ok());
    const std::uint64_t oldest = server.manifest().segments.ranges().front().first;
    if (mode == Mode::kHybrid) CHECK(oldest == 1);  // No second snapshot yet: all of it.
    fill("b");
    REQUIRE(server.snapshot().ok());
    CHECK(server.manifest().segments.ranges().front().first > oldest);
    CHECK(server.manifest().snapshots.size() == (mode == Mode::kHybrid ? 2 : 1));
    CHECK(server.storage().status().fallback_snapshots == (mode == Mode::kHybrid ? 2 : 0));
    fill("c");
    const Data before = server.data();
    server.kill_and_start();
    CHECK(server.data() == before);
    if (mode != Mode::kHybrid) continue;
    // That is what it is kept for.
    REQUIRE(server.snapshot().ok());
    const std::string newest = "snapshots/" + server.files("snapshots").back();
    server.kill();
    server.overwrite(newest, "damaged");
    server.start();
    CHECK(server.data() == before);
    CHECK(server.storage().recovery().files_skipped.size() == 1);
  }
}

TEST_CASE("storage: a log that outgrows its base is compacted without being asked") {
  StorageFixture server(Mode::kAof);
  server.give("log-rewrite-min-size", "1MiB");
  server.give("log-segment-size", "1MiB");
  server.give("fsync", "never");
  server.start();
  // The tick runs in real time; each write is another chance for it.
  for (int i = 0; server.storage().status().snapshots_taken == 0; ++i) {
    server.put("same key", std::string(10'000, static_cast<char>('a' + i % 26)));
  }
  CHECK(server.manifest().snapshots.size() == 1);
  const Data before = server.data();
  server.kill_and_start();
  CHECK(server.data() == before);
}

TEST_CASE("storage: the timer takes a snapshot when the interval is over and something changed") {
  StorageFixture server(Mode::kSnapshot);
  server.give("snapshot-interval", "10s");
  server.start();
  server.put("a", "1");
  CHECK(server.storage().status().snapshots_taken == 0);
  server.clock_.advance(std::chrono::seconds(11));
  while (server.storage().status().snapshots_taken == 0) std::this_thread::yield();
  server.kill_and_start();
  CHECK(server.data() == Data{{"a", "1"}});
}

TEST_CASE("storage: expiry times survive a restart, and the clock does not go back") {
  StorageFixture server(Mode::kAof);
  server.start();
  server.clock_.advance(std::chrono::hours(5));
  const UnixMillis seen = server.clock_.now();
  server.put("a", "1");
  REQUIRE(server.stop().ok());
  server.clock_.advance(-std::chrono::hours(5));
  server.start();
  CHECK(server.clock_.now() >= seen);
}

}  // namespace
}  // namespace kv
