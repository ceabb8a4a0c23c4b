// repair: what can be read is saved, what cannot is listed exactly, the source stays as it is, and a server starts on
// it.
#include <catch2/catch.hpp>

#include "tests/persistence/storage_fixture.h"
#include "tests/support/running_server.h"
#include "tests/tools/agreement.h"
#include "tests/tools/tool_fixture.h"

namespace kv {
namespace {

// A directory that is damaged, and a place for the copy.
class Patient {
 public:
  explicit Patient(Mode mode) : server_(mode) {
    server_.start();
    store_id_ = server_.manifest().store_id;
  }
  StorageFixture& server() { return server_; }
  std::string copy() const { return root_.file("copy"); }
  void stop() { REQUIRE(server_.stop().ok()); }
  // Flips a bit in the bytes that hold `text`.
  void damage(const std::string& file, const std::string& text) {
    std::string bytes = server_.read(file);
    const std::size_t at = bytes.find(text);
    REQUIRE(at != std::string::npos);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    server_.overwrite(file, bytes);
  }
  ToolRun repair(bool stop_at_damage = false) {
    const Files before = files_in(server_.path());
    tools::Words with = words("repair", server_.path(), copy());
    with.stop_at_damage = stop_at_damage;
    ToolRun run(with);
    CHECK(files_in(server_.path()) == before);
    INFO(run.error());
    CHECK(ToolRun(words("check", copy())).code() == 0);
    return run;
  }
  // What the storage makes of the copy.
  Data saved(Mode mode) {
    StorageFixture other(mode);
    other.adopt(copy());
    other.start();
    CHECK(other.manifest().store_id != store_id_);
    return other.data();
  }

 private:
  StorageFixture server_;
  StoreId store_id_{};
  TempDirectory root_;
};

constexpr const char* kLog = "aof/0000000000000001.aof";

RequestBlock request(unsigned number) {
  return {.id = {std::byte{static_cast<unsigned char>(number)}}, .request_hash = number, .applied = true, .value = -7};
}

TEST_CASE("repair: what was accepted and not carried out is carried out by a start on the copy") {
  for (const bool failed : {false, true}) {
    Patient patient(Mode::kHybrid);
    patient.server().put("a", "1");
    patient.server().kill();
    Manifest manifest = patient.server().manifest();
    SwitchRecord record;
    record.from = Mode::kHybrid;
    record.to = Mode::kSnapshot;
    record.phase = failed ? SwitchPhase::kFailed : SwitchPhase::kDual;
    record.change = {{"mode", "SNAPSHOT"}, {"max-snapshots", "9"}};
    record.next = {{{"fsync-interval", "2s"}}};
    record.first_segment = 100;
    manifest.mode_switch = record;
    patient.server().overwrite("MANIFEST", to_text(manifest));
    tools::Words check = words("check", patient.server().path());
    check.format = tools::Format::kHuman;
    const std::string said = ToolRun(check).out();
    CHECK(said.find(failed ? "a start does not try it again" : "begins again") != said.npos);
    CHECK(patient.repair().code() == 0);
    StorageFixture other(Mode::kHybrid);
    other.adopt(patient.copy());
    other.start();
    CHECK(other.data() == Data{{"a", "1"}});
    REQUIRE(other.change(StorageFixture::to(failed ? Mode::kHybrid : Mode::kSnapshot)).ok());
    CHECK(other.storage().status().settings.max_snapshots == (failed ? 5 : 9));
    CHECK((other.storage().status().settings.fsync_interval == std::chrono::seconds(failed ? 1 : 2)));
  }
}

TEST_CASE("repair: the request ids of what is kept are in the copy, those of lost records are not") {
  Patient patient(Mode::kHybrid);
  patient.server().put_once(request(1), "one", "1");
  REQUIRE(patient.server().snapshot().ok());
  patient.server().put_once(request(2), "two", "the damaged value");
  patient.server().put_once(request(3), "three", "3");
  RequestBlock nothing = request(4);
  nothing.applied = false;
  patient.server().remember(nothing);
  patient.stop();
  SECTION("with damage") { patient.damage(kLog, "damaged"); }
  SECTION("without") {}
  const ToolRun run = patient.repair();
  const bool damaged = run.code() == 8;
  CHECK(run.object()["request_ids"] == (damaged ? 3 : 4));
  StorageFixture other(Mode::kHybrid);
  other.adopt(patient.copy());
  other.start();
  CHECK(other.remembered(request(1).id)->block == request(1));
  CHECK(other.remembered(request(1).id)->revision == 1);
  CHECK(other.remembered(request(2).id).has_value() != damaged);
  CHECK(other.remembered(request(3).id)->block == request(3));
  CHECK(other.remembered(nothing.id)->block == nothing);
}

TEST_CASE("repair: one damaged record is lost and listed, every other change is there") {
  Patient patient(Mode::kAof);
  patient.server().put("one", "1");
  patient.server().put("two", "the damaged value");
  patient.server().put("three", "3");
  patient.server().erase("one");
  patient.stop();
  patient.damage(kLog, "damaged");
  const ToolRun run = patient.repair();
  CHECK(run.code() == 8);
  const auto report = run.object();
  REQUIRE(report["lost"].size() == 1);
  CHECK(report["lost"][0]["file"] == kLog);
  CHECK(report["lost"][0]["first_revision"] == 2);
  CHECK(report["lost"][0]["last_revision"] == 2);
  CHECK(report["lost"][0]["keys_perhaps"][0]["key"] == "two");
  CHECK(patient.saved(Mode::kAof) == Data{{"three", "3"}});
}

TEST_CASE("repair: --stop-at-damage keeps the exact state before it, and lists each record behind") {
  Patient patient(Mode::kAof);
  patient.server().put("one", "1");
  patient.server().put("two", "the damaged value");
  patient.server().put("three", "3");
  patient.server().erase("one");
  patient.stop();
  patient.damage(kLog, "damaged");
  const auto report = patient.repair(true).object();
  REQUIRE(report["lost"].size() == 2);
  CHECK(report["lost"][1]["first_revision"] == 3);
  CHECK(report["lost"][1]["last_revision"] == 4);
  CHECK(report["lost"][1]["keys"][0]["key"] == "three");
  CHECK(report["lost"][1]["keys"][1]["key"] == "one");
  CHECK(patient.saved(Mode::kAof) == Data{{"one", "1"}});
}

TEST_CASE("repair: a sound directory is copied with nothing lost and the same digest") {
  for (const Mode mode : {Mode::kSnapshot, Mode::kAof, Mode::kHybrid}) {
    Patient patient(mode);
    patient.server().put_many("key", 10);
    REQUIRE(patient.server().snapshot().ok());
    patient.server().put("key", "later");
    patient.server().erase("key3");
    const Data data = patient.server().data();
    patient.stop();
    const auto before = ToolRun(words("digest", patient.server().path())).object();
    const ToolRun run = patient.repair();
    CHECK(run.code() == 0);
    CHECK(run.object()["lost"].empty());
    CHECK(ToolRun(words("digest", patient.copy())).object() == before);
    CHECK(patient.saved(mode) == data);
  }
}

TEST_CASE("repair: SNAPSHOT falls back to the older dump for what a damaged block held, and says which keys") {
  Patient patient(Mode::kSnapshot);
  patient.server().put("old", "1");
  patient.server().put("changed", "1");
  REQUIRE(patient.server().snapshot().ok());
  patient.server().put("changed", "the damaged value");
  patient.stop();
  patient.damage("snapshots/0000000000000002.snap", "damaged");
  const ToolRun run = patient.repair();
  CHECK(run.code() == 8);
  const auto report = run.object();
  CHECK(report["lost"][0]["file"] == "snapshots/0000000000000002.snap");
  REQUIRE(report["stale_keys"].size() == 2);
  CHECK(report["stale_keys"][0]["key"] == "changed");
  CHECK(patient.saved(Mode::kSnapshot) == Data{{"old", "1"}, {"changed", "1"}});
}

TEST_CASE("repair: without MANIFEST the files themselves are put together again") {
  Patient patient(Mode::kHybrid);
  patient.server().put_many("a", 3);
  REQUIRE(patient.server().snapshot().ok());
  patient.server().put_many("b", 3);
  const Data data = patient.server().data();
  patient.stop();
  patient.damage("MANIFEST", "generation");
  const ToolRun run = patient.repair();
  CHECK(run.code() == 8);
  CHECK(run.object()["lost"][0]["file"] == "MANIFEST");
  CHECK(patient.saved(Mode::kHybrid) == data);
}

TEST_CASE("repair: a missing segment is a hole with its revisions, a damaged header costs no record") {
  Patient patient(Mode::kAof);
  for (const char* key : {"a", "b", "c"}) {
    patient.server().put(key, "1");
    patient.server().restart();
  }
  patient.stop();
  const auto files = patient.server().files("aof");
  REQUIRE(files.size() >= 3);
  SECTION("missing") {
    REQUIRE(patient.server().fs_->remove(patient.server().path("aof/" + files[1])).ok());
    const auto report = patient.repair().object();
    REQUIRE(report["lost"].size() == 1);
    CHECK(report["lost"][0]["first_revision"] == 2);
    CHECK(report["lost"][0]["last_revision"] == 2);
    CHECK(patient.saved(Mode::kAof) == Data{{"a", "1"}, {"c", "1"}});
  }
  SECTION("a damaged start block") {
    std::string bytes = patient.server().read("aof/" + files[1]);
    bytes[70] = static_cast<char>(bytes[70] ^ 1);
    patient.server().overwrite("aof/" + files[1], bytes);
    CHECK(patient.repair().code() == 8);
    CHECK(patient.saved(Mode::kAof) == Data{{"a", "1"}, {"b", "1"}, {"c", "1"}});
  }
}

TEST_CASE("repair: NEW must not be there, and a directory in use is left alone") {
  Patient patient(Mode::kAof);
  patient.server().put("a", "1");
  CHECK(ToolRun(words("repair", patient.server().path(), patient.copy())).code() == 7);
  patient.stop();
  CHECK(ToolRun(words("repair", patient.server().path(), patient.server().path())).code() == 7);
  CHECK(ToolRun(words("repair", patient.server().path(), patient.copy() + "/below/nothing")).code() == 2);
}

TEST_CASE("repair: the built server starts on the copy and serves") {
  Patient patient(Mode::kAof);
  patient.server().put("one", "the damaged value");
  patient.server().put("two", "2");
  patient.stop();
  patient.damage(kLog, "damaged");
  patient.repair();
  RunningServer server({.data_directory = patient.copy(), .flags = {}, .environment = {}, .wrapper = {}});
  server.wait_for_line("recovery: 1 keys");
  CHECK(server.stop() == 0);
  CHECK(patient.saved(Mode::kAof) == Data{{"two", "2"}});
}

}  // namespace
}  // namespace kv
