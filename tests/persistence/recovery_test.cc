#include "persistence/recovery.h"

#include <catch2/catch.hpp>

#include "core/bytes.h"
#include "core/error.h"
#include "persistence/format/log_format.h"
#include "tests/persistence/storage_fixture.h"

namespace kv {
namespace {

// The newest segment that holds anything.
std::string last_segment(const StorageFixture& server) {
  std::string found;
  for (const std::string& name : server.files("aof")) {
    const std::string bytes = server.read("aof/" + name);
    if (std::any_of(bytes.begin() + kIdentityBytes, bytes.end(), [](char c) { return c != 0; })) found = "aof/" + name;
  }
  return found;
}

std::size_t end_of_data(const std::string& bytes) { return bytes.find_last_not_of('\0') + 1; }

TEST_CASE("recovery: a torn last record is dropped with one log line, everything acknowledged survives") {
  for (const Mode mode : {Mode::kAof, Mode::kHybrid}) {
    StorageFixture server(mode);
    server.give("fsync", "never");  // So that the last record is not below the durable watermark.
    server.start();
    server.put("kept", "1");
    server.put("torn", std::string(1000, 'x'));
    server.kill();
    const std::string file = last_segment(server);
    std::string bytes = server.read(file);
    const std::size_t at = bytes.find(std::string(900, 'x'));
    REQUIRE(at != std::string::npos);
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(at) + 500, bytes.end(), '\0');
    server.overwrite(file, bytes);

    server.start();
    CHECK(server.data() == Data{{"kept", "1"}});
    CHECK(server.storage().recovery().tail_bytes_discarded > 0);
    CHECK(server.logged("torn tail"));
    server.put("next", "1");
    server.kill_and_start();
    CHECK(server.data() == Data{{"kept", "1"}, {"next", "1"}});
    CHECK(server.storage().recovery().tail_bytes_discarded == 0);
  }
}

TEST_CASE("recovery: damage below what is known to be on disk is refused, never served and never cut away") {
  StorageFixture server(Mode::kAof);
  server.start();
  server.put("first", std::string(100, 'x'));
  server.put_many("later", 3);
  server.kill();
  const std::string file = last_segment(server);
  std::string bytes = server.read(file);
  bytes[bytes.find("xxxx")] = 'y';
  server.overwrite(file, bytes);
  const absl::Status status = server.open();
  CHECK(status.code() == absl::StatusCode::kDataLoss);
  CHECK(facts_of(status)["exit"] == "3");
  CHECK(message_of(status).find(file) != std::string_view::npos);
  CHECK(server.read(file) == bytes);
}

TEST_CASE("recovery: zeros in the place of what is known to be on disk are damage, not the end of the log") {
  StorageFixture server(Mode::kAof);
  server.give("fsync", "always");
  server.start();
  server.put_many("k", 100);
  server.kill();
  const std::string file = last_segment(server);
  const std::string whole = server.read(file);
  const std::size_t written = end_of_data(whole);
  constexpr std::size_t kSectorBytes = 512;
  // A batch that says of one before it that it was on disk stands behind each of these holes, also in the hole's own
  // page.
  int holes = 0;
  for (std::size_t at = kSegmentHeaderBytes; at + 2 * kSectorBytes < written; at += kBatchAlignment) {
    if (load<std::uint32_t>(as_bytes(whole).data() + at) != kBatchMagic) continue;
    std::string bytes = whole;
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), kSectorBytes, '\0');
    server.overwrite(file, bytes);
    const absl::Status status = server.open();
    INFO("the hole begins at " << at << " of " << written);
    CHECK(status.code() == absl::StatusCode::kDataLoss);
    CHECK((server.read(file) == bytes));
    ++holes;
  }
  CHECK(holes > 80);
}

TEST_CASE("recovery: HYBRID survives a damaged newest snapshot, from the one before and the log") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  server.put_many("a", 5);
  REQUIRE(server.snapshot().ok());
  server.put_many("b", 5);
  server.erase("a0");
  REQUIRE(server.snapshot().ok());
  server.put_many("c", 5);
  const Data before = server.data();
  server.kill();
  std::string bytes = server.read("snapshots/0000000000000002.snap");
  bytes[200] = static_cast<char>(bytes[200] ^ 4);
  server.overwrite("snapshots/0000000000000002.snap", bytes);

  server.start();
  CHECK(server.data() == before);
  CHECK(server.storage().recovery().files_skipped.size() == 1);
  CHECK(server.storage().status().fallback_snapshots == 1);
  // Kept for whoever wants to know, and in nobody's way.
  CHECK(server.read("snapshots/0000000000000002.snap.damaged") == bytes);
  REQUIRE(server.snapshot().ok());
  server.kill_and_start();
  CHECK(server.data() == before);
  CHECK(server.storage().recovery().strangers == std::vector<std::string>{"snapshots/0000000000000002.snap.damaged"});
}

TEST_CASE("recovery: without a good snapshot HYBRID and AOF replay a log that is whole, and refuse one that is not") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  server.put_many("a", 5);
  REQUIRE(server.snapshot().ok());
  server.put_many("b", 5);
  const Data before = server.data();
  server.kill();
  server.overwrite("snapshots/0000000000000001.snap", "nothing");
  server.start();
  CHECK(server.data() == before);
  server.kill();

  Manifest manifest = server.manifest();
  manifest.log_whole_from = 3;
  server.overwrite("MANIFEST", to_text(manifest));
  const absl::Status status = server.open();
  CHECK(status.code() == absl::StatusCode::kDataLoss);
  CHECK(message_of(status).find("whole only from revision 3") != std::string_view::npos);
}

TEST_CASE("recovery: SNAPSHOT does not fall back silently, because the log could not make up for it") {
  StorageFixture server(Mode::kSnapshot);
  server.start();
  server.put("a", "1");
  REQUIRE(server.snapshot().ok());
  server.put("a", "2");
  REQUIRE(server.snapshot().ok());
  server.kill();
  server.overwrite("snapshots/0000000000000002.snap", "nothing");
  CHECK(facts_of(server.open())["exit"] == "3");
  CHECK(server.files("snapshots").size() == 2);
}

TEST_CASE("recovery: a log that ends before its newest snapshot has lost bytes, and is refused") {
  StorageFixture server(Mode::kAof);
  server.start();
  server.put("a", "1");
  server.kill();
  const std::string file = last_segment(server);
  const std::string early = server.read(file);
  server.start();
  server.put("b", "2");
  REQUIRE(server.snapshot().ok());
  server.kill();
  const Manifest manifest = server.manifest();
  REQUIRE(manifest.snapshots.size() == 1);
  // Everything behind the base's cut zeroed, watermark batches too: only the cut itself can tell.
  for (const std::string& name : server.files("aof")) {
    std::string bytes = server.read("aof/" + name);
    if (end_of_data(bytes) <= kSegmentHeaderBytes) continue;
    std::fill(bytes.begin() + kSegmentHeaderBytes, bytes.end(), '\0');
    server.overwrite("aof/" + name, bytes);
  }
  const absl::Status status = server.open();
  INFO(status.ToString());
  CHECK(status.code() == absl::StatusCode::kDataLoss);
}

TEST_CASE("recovery: a second start finds the same, and a start that was killed at once costs nothing") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  server.put_many("a", 10);
  server.erase("a3");
  const Data before = server.data();
  for (int i = 0; i < 3; ++i) {
    server.kill_and_start();
    CHECK(server.data() == before);
  }
  server.restart();
  CHECK(server.data() == before);
}

TEST_CASE("recovery: the settings that are stored stand, unless the start's were edited since") {
  const auto resolve = [](const std::map<std::string, StoredSetting>& stored, const StartupSettings& startup,
                          SettingsRule source = SettingsRule::kLatest) {
    const auto resolved = resolve_settings(stored, startup, source);
    REQUIRE(resolved.ok());
    return *resolved;
  };
  const auto first = resolve({}, {{"max-snapshots", {"3", true}}, {"mode", {"AOF", false}}});
  CHECK(first.settings.max_snapshots == 3);
  CHECK(first.settings.mode == Mode::kAof);  // Not given: the default that the server names.
  CHECK(first.stored.at("max-snapshots") == StoredSetting{"3", "3", SettingOrigin::kStartup});

  auto stored = first.stored;
  set_at_run_time(stored, "max-snapshots", "9");
  CHECK(resolve(stored, {{"max-snapshots", {"3", true}}}).settings.max_snapshots == 9);
  CHECK(resolve(stored, {}).settings.max_snapshots == 9);
  CHECK(resolve(stored, {{"max-snapshots", {"4", true}}}).settings.max_snapshots == 4);
  CHECK(resolve(stored, {{"max-snapshots", {"3", true}}}, SettingsRule::kStartup).settings.max_snapshots == 3);
  CHECK(resolve(stored, {{"max-snapshots", {"4", true}}}, SettingsRule::kStored).settings.max_snapshots == 9);
  // The same value in other words is no edit.
  auto interval = resolve({}, {{"snapshot-interval", {"5m", true}}}).stored;
  set_at_run_time(interval, "snapshot-interval", "7s");
  CHECK(resolve(interval, {{"snapshot-interval", {"300s", true}}}).settings.snapshot_interval ==
        std::chrono::seconds(7));
  // A flag that is left out is no edit, and an unknown stored name is kept.
  interval["of-a-later-version"] = {"x", std::nullopt, SettingOrigin::kRuntime};
  const auto kept = resolve(interval, {});
  CHECK(kept.settings.snapshot_interval == std::chrono::seconds(7));
  CHECK(kept.stored.count("of-a-later-version") == 1);
  CHECK_FALSE(resolve_settings({}, {{"max-snapshots", {"0", true}}}, SettingsRule::kLatest).ok());
}

}  // namespace
}  // namespace kv
