// check, dump and digest on directories of the real storage and on the golden files.
#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "persistence/manifest.h"
#include "tests/persistence/storage_fixture.h"
#include "tests/support/source_tree.h"
#include "tests/tools/sweep.h"
#include "tests/tools/tool_fixture.h"

namespace kv {
namespace {

std::string golden(const std::string& name) { return source_path("tests/testdata/" + name); }

TEST_CASE("check: a sound directory, told for programs and for people") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  server.put_many("key", 3);
  REQUIRE(server.snapshot().ok());
  server.put("key", "four");
  REQUIRE(server.stop().ok());

  const ToolRun json(words("check", server.path()));
  CHECK(json.code() == 0);
  const auto report = json.object();
  CHECK(report["sound"] == true);
  CHECK(report["start"] == "serves");
  CHECK(report["mode"] == "HYBRID");
  CHECK(report["clean"] == true);
  CHECK(report["keys"] == 4);
  CHECK(report["torn_tail"].is_null());
  CHECK(report["snapshots"][0]["loaded"] == true);

  tools::Words human = words("check", server.path());
  human.format = tools::Format::kHuman;
  const ToolRun told(human);
  CHECK(told.code() == 0);
  CHECK(told.out().find("a start serves 4 keys at revision 4") != std::string::npos);
  CHECK(told.out().ends_with("sound\n"));
}

TEST_CASE("check: damage is named by file and offset, exit 8, and nothing is touched") {
  StorageFixture server(Mode::kAof);
  server.start();
  server.put("first", std::string(100, 'x'));
  server.put_many("later", 3);
  REQUIRE(server.stop().ok());
  std::string bytes = server.read("aof/0000000000000001.aof");
  bytes[bytes.find("xxxx")] = 'y';
  server.overwrite("aof/0000000000000001.aof", bytes);

  const ToolRun run(words("check", server.path()));
  CHECK(run.code() == 8);
  const auto report = run.object();
  CHECK(report["start"] == "refuses");
  REQUIRE(report["damage"].size() == 1);
  CHECK(report["damage"][0]["file"] == "aof/0000000000000001.aof");
  CHECK(report["damage"][0]["offset"] == 128 + 48);
  CHECK(server.read("aof/0000000000000001.aof") == bytes);
  CHECK(ToolRun(words("digest", server.path())).code() == 8);
}

TEST_CASE("check: files that MANIFEST does not name, ours and strangers") {
  StorageFixture server(Mode::kAof);
  server.start();
  server.put("a", "1");
  REQUIRE(server.stop().ok());
  server.overwrite("aof/0000000000000099.aof", server.read("aof/0000000000000001.aof"));
  server.overwrite("aof/0000000000000098.aof", std::string(500, 'x'));
  server.overwrite("notes.txt", "mine");
  const auto report = ToolRun(words("check", server.path())).object();
  CHECK(report["sound"] == true);
  CHECK(report["removed_at_start"] == std::vector<std::string>{"aof/0000000000000099.aof"});
  CHECK(report["strangers"] == std::vector<std::string>{"notes.txt", "aof/0000000000000098.aof"});
}

TEST_CASE("check: a directory in use is refused with exit 7, one that is not there with 2") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  for (const char* command : {"check", "digest"}) {
    const ToolRun busy(words(command, server.path()));
    CHECK(busy.code() == 7);
    CHECK(busy.error().find("is in use by process") != std::string::npos);
    CHECK(ToolRun(words(command, server.path() + "/nowhere")).code() == 2);
  }
}

TEST_CASE("check: a snapshot that is damaged and that nothing makes up for is the one reason given") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  server.put_many("a", 3);
  REQUIRE(server.stop().ok());
  Manifest manifest = server.manifest();
  manifest.log_whole_from = 2;
  manifest.snapshots.push_back({.number = 1, .cut = 3, .bytes = 300, .digest = {}, .keys = 3, .created = 0});
  manifest.next_snapshot = 2;
  server.overwrite("MANIFEST", to_text(manifest));
  server.overwrite("snapshots/0000000000000001.snap", std::string(300, 'x'));
  const auto report = ToolRun(words("check", server.path())).object();
  CHECK(report["start"] == "refuses");
  REQUIRE(report["damage"].size() == 1);
  CHECK(report["damage"][0]["file"] == "snapshots/0000000000000001.snap");
  // Named, so no start removes it, though its header is nobody's.
  CHECK(report["removed_at_start"].empty());
  CHECK(report["strangers"].empty());
}

TEST_CASE("check: --deep compares each snapshot with what the log makes of the one before") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  server.put_many("a", 3);
  REQUIRE(server.snapshot().ok());
  server.put_many("b", 3);
  REQUIRE(server.snapshot().ok());
  server.put_many("c", 3);
  REQUIRE(server.stop().ok());
  tools::Words deep = words("check", server.path());
  deep.deep = true;
  const ToolRun sound(deep);
  CHECK(sound.code() == 0);
  CHECK(sound.object()["snapshots"][0]["verdict"] == "good");

  // Damage in the older one stops no start, and is found only by the deep look.
  const std::string file = "snapshots/0000000000000001.snap";
  std::string bytes = server.read(file);
  bytes[200] = static_cast<char>(bytes[200] ^ 1);
  server.overwrite(file, bytes);
  CHECK(ToolRun(words("check", server.path())).code() == 0);
  const ToolRun damaged(deep);
  CHECK(damaged.code() == 8);
  CHECK(damaged.object()["start"] == "serves");
  CHECK(damaged.object()["damage"][0]["file"] == file);
}

TEST_CASE("digest: equals the store's after a real recovery, in every mode with files, and the snapshot's footer") {
  for (const Mode mode : {Mode::kSnapshot, Mode::kAof, Mode::kHybrid}) {
    StorageFixture server(mode);
    server.start();
    server.put_many("key", 20);
    REQUIRE(server.snapshot().ok());
    server.put("key3", std::string("\0\xff", 2));
    server.erase("key4");
    REQUIRE(server.stop().ok());
    const auto told = ToolRun(words("digest", server.path())).object();
    server.start();
    const StoreTotals totals = server.totals();
    CHECK(told["digest"] == fmt::format("{:016x}", totals.digest));
    CHECK(told["keys"] == totals.keys);
  }
}

// Of each revision from 0 to the newest: whether there is a digest; those that are there must be right.
std::string reachable(const std::string& path, const StateHistory& history, Revision newest) {
  std::string which;
  for (Revision revision = 0; revision <= newest + 1; ++revision) {
    tools::Words with = words("digest", path);
    with.revision = revision;
    const ToolRun run(with);
    INFO(revision << ": " << run.error());
    which += run.code() == 0 ? 'x' : '.';
    if (run.code() == 0) {
      CHECK(run.object()["digest"] == fmt::format("{:016x}", history.at(revision).digest));
      CHECK(run.object()["keys"] == history.at(revision).keys);
      CHECK(run.object()["revision"] == revision);
    } else {
      CHECK(run.code() == 1);
      CHECK(run.error().find("is not to be had") != std::string::npos);
    }
  }
  return which;
}

TEST_CASE("digest: --revision is the state at that revision, or says that nothing leads to it") {
  const auto tell = [](Mode mode) {
    StorageFixture server(mode);
    StateHistory history;
    server.start();
    const auto note = [&](auto&&) { history.note(server); };
    for (const char* value : {"1", "2"}) note(server.put("a", value));
    REQUIRE(server.snapshot().ok());
    note(server.put("b", "1"));
    note(server.erase("a"));
    if (mode == Mode::kAof) server.restart();  // Closes the segment, so that the next base replaces it.
    REQUIRE(server.snapshot().ok());
    note(server.put("c", "1"));
    const Revision newest = server.storage().journal().applied();
    server.kill();
    return reachable(server.path(), history, newest);
  };
  CHECK(tell(Mode::kHybrid) == "xxxxxx.");  // All of the log is there.
  CHECK(tell(Mode::kAof) == "....xx.");     // It begins at the base.
  CHECK(tell(Mode::kSnapshot) == "..x.x..");
}

TEST_CASE("dump: the golden segments and the golden snapshot, record by record") {
  const ToolRun segment(words("dump", golden("aof-1/0000000000000001.aof")));
  CHECK(segment.code() == 0);
  std::uint64_t records = 0;
  for (const auto& line : segment.objects()) records += line.contains("record") ? 1 : 0;
  CHECK(segment.objects().front()["segment"] == 1);
  CHECK(records > 0);

  const ToolRun snapshot(words("dump", golden("snapshot-1.snap")));
  CHECK(snapshot.code() == 0);
  CHECK(snapshot.objects().front().contains("snapshot"));
  CHECK(snapshot.objects().back().contains("key"));
  CHECK(ToolRun(words("dump", golden("original-1/make.go"))).code() == 2);
}

TEST_CASE("check and dump: request ids are counted, and shown from the log and from a snapshot alike") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  RequestBlock request{
      .id = {std::byte{0xab}}, .request_hash = 5, .applied = true, .created = true, .added = 7, .value = -9};
  server.put_once(request, "key", "value");
  RequestBlock nothing{.id = {std::byte{0xcd}}, .request_hash = 6};
  server.remember(nothing);
  REQUIRE(server.snapshot().ok());
  server.put_once({.id = {std::byte{0xef}}}, "key", "value");
  REQUIRE(server.stop().ok());
  CHECK(ToolRun(words("check", server.path())).object()["request_ids"] == 3);

  const auto requests = [&](const std::string& file) {
    std::vector<nlohmann::json> found;
    for (const auto& line : ToolRun(words("dump", server.path(file))).objects()) {
      if (line.contains("request")) found.push_back(line);
    }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a["request"]["id"] < b["request"]["id"]; });
    return found;
  };
  const auto in_log = requests("aof/0000000000000001.aof");
  const auto in_snapshot = requests("snapshots/0000000000000001.snap");
  REQUIRE(in_log.size() == 3);
  REQUIRE(in_snapshot.size() == 2);
  CHECK(in_log[0]["request"]["id"] == "ab000000000000000000000000000000");
  CHECK(in_log[0]["request"]["flags"] == 3);
  CHECK(in_log[0]["request"]["added"] == 7);
  CHECK(in_log[0]["request"]["value"] == -9);
  CHECK(in_log[1]["mutations"].empty());
  for (std::size_t i = 0; i < 2; ++i) CHECK(in_log[i]["request"] == in_snapshot[i]["request"]);
  CHECK(in_snapshot[0]["revision"] == 1);
  CHECK(in_snapshot[1]["revision"] == 0);  // It changed nothing.
}

TEST_CASE("dump: from an offset on, and over a damaged place") {
  StorageFixture server(Mode::kAof);
  server.start();
  for (int i = 0; i < 4; ++i) server.put(fmt::format("key{}", i), "value");
  REQUIRE(server.stop().ok());
  const std::string file = "aof/0000000000000001.aof";
  const auto lines = ToolRun(words("dump", server.path(file))).objects();
  std::vector<std::uint64_t> batches;
  for (const auto& line : lines) {
    if (line.contains("batch") && line["records"] != 0) batches.push_back(line["offset"]);
  }
  REQUIRE(batches.size() == 4);
  tools::Words from = words("dump", server.path(file));
  from.from = batches[2] - 3;
  const ToolRun later(from);
  CHECK(later.code() == 0);
  CHECK(later.objects().front()["batch"] == 3);

  std::string bytes = server.read(file);
  bytes[batches[1] + 60] = static_cast<char>(bytes[batches[1] + 60] ^ 1);
  server.overwrite(file, bytes);
  const ToolRun damaged(words("dump", server.path(file)));
  CHECK(damaged.code() == 8);
  std::vector<std::uint64_t> revisions;
  for (const auto& line : damaged.objects()) {
    if (line.contains("record")) revisions.push_back(line["record"]);
  }
  CHECK(revisions == std::vector<std::uint64_t>{1, 3, 4});
}

}  // namespace
}  // namespace kv
