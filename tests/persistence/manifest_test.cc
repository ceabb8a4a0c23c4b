#include "persistence/manifest.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

#include "core/absl_text.h"
#include "core/error.h"
#include "persistence/manifest_keeper.h"
#include "persistence/store_id_text.h"
#include "tests/support/manual_clock.h"
#include "tests/support/source_tree.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

// One of everything.
Manifest full_manifest() {
  Manifest m;
  m.store_id = *parse_store_id("00112233445566778899aabbccddeeff");
  m.generation = 7;
  m.mode = Mode::kSnapshot;
  m.clean = false;
  m.revision_ceiling = 5000;
  m.clock = 1'700'000'000'000;
  m.settings["mode"] = {"SNAPSHOT", "HYBRID", SettingOrigin::kRuntime};
  m.settings["max-snapshots"] = {"5", std::nullopt, SettingOrigin::kDefault};
  m.mode_switch = SwitchRecord{Mode::kSnapshot,
                               Mode::kAof,
                               SwitchPhase::kDual,
                               {{"mode", "AOF"}},
                               9,
                               1200,
                               SettingTexts{{"mode", "NON_PERSISTENT"}}};
  m.snapshots = {{3, 1000, 4096, {1, 2}, 10, 1'700'000'000'000}, {4, 1100, 4096, {3, 4}, 11, 1'700'000'001'000}};
  m.segments.add(5, 6);
  m.segments.add(9, 12);
  m.used = {{6, 777}};
  m.log_whole_from = 900;
  m.next_segment = 13;
  m.next_snapshot = 5;
  PastGeneration past{2, Mode::kAof, 1'600'000'000'000, {1}, {}};
  past.segments.add(1, 4);
  m.past = {past};
  return m;
}

// The text with one field's line changed and the checksum put right, as a newer or a careless program would write it.
std::string edited(const std::string& from, const std::string& to) {
  const std::string text = to_text(full_manifest());
  std::string body = text.substr(0, text.rfind("checksum "));
  const std::size_t at = body.find(from);
  REQUIRE(at != std::string::npos);
  body.replace(at, from.size(), to);
  return body + "checksum " + manifest_checksum(body) + "\n";
}

std::string message(const absl::StatusOr<Manifest>& parsed) {
  return parsed.ok() ? std::string("accepted") : std::string(message_of(parsed.status()));
}

TEST_CASE("manifest: every field goes to text and back") {
  const Manifest manifest = full_manifest();
  const auto parsed = parse_manifest(to_text(manifest), "MANIFEST");
  INFO(message(parsed));
  REQUIRE(parsed.ok());
  CHECK(*parsed == manifest);
}

TEST_CASE("manifest: the example on its page is read, and is what would be written") {
  std::ifstream page(source_path("docs/formats/manifest.md"));
  std::stringstream all;
  all << page.rdbuf();
  std::string text = all.str();
  text = text.substr(text.find("## Example"));
  text = text.substr(text.find("```text\n") + 8);
  text = text.substr(0, text.find("```"));
  const auto parsed = parse_manifest(text, "example");
  INFO(message(parsed));
  REQUIRE(parsed.ok());
  CHECK(*parsed == full_manifest());
  CHECK(to_text(*parsed) == text);
}

TEST_CASE("manifest: any flipped bit and any missing byte is refused") {
  const std::string text = to_text(full_manifest());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    if (parse_manifest(flipped, "M").ok()) FAIL("flip at " << i);
    if (parse_manifest(text.substr(0, i), "M").ok()) FAIL("cut at " << i);
  }
  CHECK_FALSE(parse_manifest(text + "\n", "M").ok());
  CHECK(has_reason(parse_manifest("", "data/MANIFEST").status(), Reason::kChecksum));
  CHECK(message(parse_manifest("", "data/MANIFEST")).find("data/MANIFEST") != std::string::npos);
}

TEST_CASE("manifest: another format version is refused, naming both") {
  CHECK(message(parse_manifest(edited("\"format\": 1", "\"format\": 2"), "M")) ==
        "M: written in format 2, and this version reads format 1; start the version that wrote it");
}

TEST_CASE("manifest: unknown, missing, mistyped and impossible fields are refused by name") {
  const auto refused = [](const std::string& from, const std::string& to, std::string_view why) {
    const std::string found = message(parse_manifest(edited(from, to), "M"));
    INFO(found);
    CHECK(found.find(why) != std::string::npos);
  };
  refused("\"clean\": false", "\"clean\": false, \"colour\": 1", "'colour' is unknown");
  refused("\"clean\": false,", "", "'clean' is missing");
  refused("\"clean\": false", "\"clean\": 0", "'clean' is neither");
  refused("\"generation\": 7", "\"generation\": -7", "'generation' is not a number");
  refused("\"mode\": \"SNAPSHOT\"", "\"mode\": \"FAST\"", "'mode' is 'FAST'");
  refused("\"revision_ceiling\": 5000", "\"revision_ceiling\": 1050", "cut above revision_ceiling");
  refused("\"next_segment\": 13", "\"next_segment\": 12", "'segments' has a wrong number");
  refused("\"next_snapshot\": 5", "\"next_snapshot\": 4", "'snapshots' has a wrong number");
  refused("\"next_segment\": 13", "\"next_segment\": 1.5", "'next_segment' is not a number");
  refused("00112233445566778899aabbccddeeff", "00112233445566778899aabbccddee", "'store_id'");
  refused("\"phase\": \"DUAL\"", "\"phase\": \"ACTIVE\"", "'switch.phase'");
}

TEST_CASE("manifest: a range of segments without end is refused, not expanded") {
  std::string text = to_text(full_manifest());
  Manifest m = full_manifest();
  m.segments.add(20, 20 + kManifestSegmentsMax);
  m.next_segment = 30 + kManifestSegmentsMax;
  CHECK(message(parse_manifest(to_text(m), "M")).find("too many segments") != std::string::npos);
}

TEST_CASE("manifest: segments are dropped below and from a number, gaps kept") {
  SegmentSet segments;
  segments.add(1, 3);
  segments.add(4, 5);
  segments.add(8, 9);
  CHECK(segments.ranges().size() == 2);
  segments.drop_below(3);
  segments.drop_from(9);
  CHECK(segments.numbers() == std::vector<std::uint64_t>{3, 4, 5, 8});
  segments.drop_below(7);
  CHECK(segments.numbers() == std::vector<std::uint64_t>{8});
  segments.drop_from(8);
  CHECK(segments.empty());
}

TEST_CASE("manifest keeper: an update is on disk, one generation further, with the clock of that moment") {
  TempDirectory directory;
  ManualClock clock(1'800'000'000'000);
  ManifestKeeper keeper(posix_file_system(), clock, directory.path(), full_manifest());
  REQUIRE(keeper.update([](Manifest& m) { m.clean = true; }).ok());
  const auto parsed = parse_manifest(*read_file(posix_file_system(), directory.file("MANIFEST"), 1 << 20), "M");
  REQUIRE(parsed.ok());
  CHECK(*parsed == *keeper.get());
  CHECK(parsed->clean);
  CHECK(parsed->generation == 8);
  CHECK(parsed->clock == 1'800'000'000'000);
}

}  // namespace
}  // namespace kv
