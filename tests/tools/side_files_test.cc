// SET_ASIDE and RECOVERY.TOKEN: what the server writes is what their pages say, and what the tool tells of them is what
// a start does.
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

#include "persistence/recovery_report.h"
#include "persistence/set_aside.h"
#include "persistence/store_id_text.h"
#include "tests/persistence/data_loss_fixture.h"
#include "tests/support/source_tree.h"
#include "tests/tools/tool_fixture.h"
#include "tools/side_files_page.h"

namespace kv {
namespace {

using Catch::Matchers::Contains;

constexpr char kThird[] = "snapshots/0000000000000003.snap";

std::string example_of(const std::string& page) {
  std::ifstream file(source_path("docs/formats/" + page));
  std::stringstream all;
  all << file.rdbuf();
  std::string text = all.str();
  text = text.substr(text.find("## Example"));
  text = text.substr(text.find("```text\n") + 8);
  return text.substr(0, text.find("```"));
}

nlohmann::json check(Damaged& story, int code) {
  const ToolRun run(words("check", story.server.path()), *story.disk);
  INFO(run.out() << run.error());
  CHECK(run.code() == code);
  return run.object();
}

std::string told(Damaged& story) {
  tools::Words human = words("check", story.server.path());
  human.format = tools::Format::kHuman;
  return ToolRun(human, *story.disk).out();
}

// Two good snapshots of a stopped server, the copy of one under a number that MANIFEST does not name.
struct Left : Damaged {
  Left() : Damaged(Mode::kSnapshot) {
    server.start();
    server.put("a", "1");
    REQUIRE(server.snapshot().ok());
    server.put("b", "2");
    REQUIRE(server.snapshot().ok());
    server.kill();
    write(kThird, read(kSnap2));
  }
};

TEST_CASE("set aside: the example on its page is what the server writes, and both readers take it") {
  const std::string text = example_of("set-aside.md");
  FaultyFileSystem disk;
  REQUIRE(disk.make_directory("/data").ok());
  const std::vector<SetAside> files = {{"aof/0000000000000012.aof", kDamagedEnding},
                                       {"aof/0000000000000013.aof", kCutOffEnding},
                                       {"snapshots/0000000000000002.snap", kDamagedEnding}};
  REQUIRE(write_set_aside(disk, "/data", files).ok());
  CHECK(disk.contents("/data/SET_ASIDE") == text);
  const auto server = read_set_aside(disk, "/data");
  const auto tool = tools::read_set_aside_page(text, "SET_ASIDE");
  REQUIRE(server.ok());
  REQUIRE(tool.ok());
  REQUIRE(server->size() == 3);
  REQUIRE(tool->size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK((*server)[i].file == (*tool)[i].file);
    CHECK((*server)[i].file + (*server)[i].ending == (*tool)[i].as);
  }
  CHECK((*tool)[1].segment == 13);
  CHECK((*tool)[2].snapshot == 2);
}

TEST_CASE("set aside: whatever is done to a list, server and tool take the same ones") {
  const std::string text = example_of("set-aside.md");
  FaultyFileSystem disk;
  REQUIRE(disk.make_directory("/data").ok());
  int refused = 0;
  const auto agree = [&](const std::string& changed) {
    disk.put("/data/SET_ASIDE", changed);
    const bool server = read_set_aside(disk, "/data").ok();
    if (!server) ++refused;
    if (server != tools::read_set_aside_page(changed, "SET_ASIDE").ok()) FAIL(changed);
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    agree(text.substr(0, at));
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = text;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      agree(flipped);
    }
  }
  agree(text + "and more");
  agree("end\n");
  agree("aof/0000000000000012.aof\nend\n");
  agree("aof/0000000000000012.aof .tmp\nend\n");
  agree("../0000000000000012.aof .damaged\nend\n");
  agree("past/0000000000000012.aof .damaged\nend\n");
  CHECK(refused > 500);
}

TEST_CASE("check: a list of files to set aside tells what a start does with each, and the start does that") {
  Left story;
  const std::string third = story.read(kThird);
  story.write("SET_ASIDE",
              std::string(kSnap1) + " .damaged\n" + kThird + " .damaged\naof/0000000000000099.aof .cut-off\nend\n");
  const auto report = check(story, 0);
  CHECK(report["start"] == "serves");
  REQUIRE(report["set_aside"].size() == 3);
  CHECK(report["set_aside"][0]["now"] == "named in MANIFEST");
  CHECK(report["set_aside"][1]["now"] == "to be renamed");
  CHECK(report["set_aside"][1]["as"] == std::string(kThird) + ".damaged");
  CHECK(report["set_aside"][2]["now"] == "not there");
  // It is kept, so nothing is removed; without the list it would be.
  CHECK(report["removed_at_start"].empty());
  CHECK_THAT(told(story), Contains("a start keeps " + std::string(kThird) + " as " + kThird + ".damaged"));

  story.server.start();
  CHECK_FALSE(story.there(kThird));
  CHECK(story.read(std::string(kThird) + ".damaged") == third);
  CHECK(story.there(kSnap1));
  CHECK_FALSE(story.there("SET_ASIDE"));
  story.server.kill();
  CHECK(check(story, 0)["set_aside"].empty());
}

TEST_CASE("check: a list of files to set aside that is damaged is found by file and offset, and the start is refused") {
  Left story;
  const std::string first = std::string(kThird) + " .damaged\n";
  SECTION("a line that is none") { story.write("SET_ASIDE", first + "snapshots/x .damaged\nend\n"); }
  SECTION("cut short") { story.write("SET_ASIDE", first + "en"); }
  const auto report = check(story, 8);
  CHECK(report["start"] == "refuses");
  REQUIRE(report["damage"].size() == 1);
  CHECK(report["damage"][0]["file"] == "SET_ASIDE");
  CHECK(report["damage"][0]["offset"] == first.size());
  CHECK(ToolRun(words("digest", story.server.path()), *story.disk).code() == 8);

  CHECK(story.refused().empty());
  CHECK_THAT(story.read("RECOVERY"), Contains("verdict: REFUSED") && Contains("SET_ASIDE"));
  CHECK(story.there(kThird));
  // The way out that the report names.
  const ToolRun repaired(words("repair", story.server.path(), "/repaired"), *story.disk);
  INFO(repaired.out() << repaired.error());
  CHECK(repaired.code() == 0);
  CHECK(repaired.object()["keys"] == 2);
}

TEST_CASE("recovery report: the example on its page is what the server writes, and what the tool reads") {
  const std::string text = example_of("recovery.md"), token = "9af1a0caffee0123";
  Manifest manifest;
  manifest.store_id = *parse_store_id("00112233445566778899aabbccddeeff");
  manifest.generation = 7;
  manifest.mode = Mode::kSnapshot;
  RecoveryReport report;
  report.duration = std::chrono::milliseconds(12);
  report.keys_loaded = 10;
  report.revision = 1000;
  report.files_loaded = {kSnap1};
  report.files_skipped = {std::string(kSnap2) + ", set aside as " + kSnap2 + ".damaged"};
  report.token = token;
  report.loss = DataLoss{.damaged = {{kSnap2, 128, "a block's checksum is wrong"}},
                         .set_aside = {{kSnap2, kDamagedEnding, 4096}},
                         .base = kSnap1,
                         .revision = 1000,
                         .known_revision = 1100};
  CHECK(to_text(report, {"/data", &manifest, 1'700'000'000'000}) == text);

  const auto read = tools::read_accepted_loss(text, "RECOVERY." + token, token, manifest.store_id);
  INFO(read.status().ToString());
  REQUIRE(read.ok());
  CHECK(read->time == "2023-11-14T22:13:20Z");
  CHECK(read->revision == 1000);
  CHECK(read->lost == "changes after revision 1000; the last one that is known of has revision 1100");
  // Whatever is missing at its end is missed.
  const std::size_t told = text.find("\n  set aside, not removed");
  for (std::size_t at = 0; at <= told; ++at) {
    if (tools::read_accepted_loss(text.substr(0, at), "R", token, manifest.store_id).ok()) FAIL("cut at " << at);
  }
  CHECK_FALSE(tools::read_accepted_loss(text, "R", "0000000000000000", manifest.store_id).ok());
  CHECK_FALSE(tools::read_accepted_loss(text, "R", token, StoreId{}).ok());
}

TEST_CASE("check: starts that went on without what was damaged are told; a report that is damaged is found") {
  DamagedSnapshot story;
  const std::string token = story.refused();
  CHECK(check(story, 8)["accepted_losses"].empty());
  story.accept(token);
  story.server.kill();
  const auto report = check(story, 0);
  REQUIRE(report["accepted_losses"].size() == 1);
  CHECK(report["accepted_losses"][0]["token"] == token);
  CHECK(report["accepted_losses"][0]["revision"] == 1);
  CHECK(report["strangers"].size() == 1);  // The damaged snapshot, under its new name.
  CHECK_THAT(told(story),
             Contains("RECOVERY." + token + ": a start of ") && Contains("lost: changes after revision 1;"));

  const std::string name = "RECOVERY." + token, text = story.read(name);
  SECTION("empty") { story.write(name, ""); }
  SECTION("cut short") { story.write(name, text.substr(0, text.find("  lost: "))); }
  SECTION("of another token") {
    story.write(name, story.read("RECOVERY")), story.write("RECOVERY.0123456789abcdef", text);
  }
  const auto damaged = check(story, 8);
  CHECK(damaged["start"] == "serves");
  CHECK(damaged["sound"] == false);
  CHECK_THAT(damaged["damage"][0]["file"].get<std::string>(), Contains("RECOVERY."));
  CHECK(damaged["keys"] == 1);
  // No start reads it.
  story.server.start();
  CHECK(story.server.data() == Data{{"a", "1"}});
}

}  // namespace
}  // namespace kv
