// Starts on damaged data that nothing makes up for: refused, with a token; with the token, exactly what was told.
#include "persistence/data_loss.h"

#include <algorithm>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/persistence/crash_enumeration.h"
#include "tests/persistence/data_loss_fixture.h"
#include "tests/support/crash_step.h"
#include "tests/support/open_file_limit.h"

namespace kv {

using Catch::Matchers::Contains;

TEST_CASE("data loss: SNAPSHOT refuses a damaged newest snapshot with a token, which goes on from the older one") {
  DamagedSnapshot story;
  const std::string token = story.refused();
  REQUIRE(is_token(token));
  CHECK_THAT(story.server.report_,
             Contains(std::string(kSnap2) + " at offset ") && Contains("begin with " + std::string(kSnap1)) &&
                 Contains("changes after revision 1; the last one that is known of has revision 3") &&
                 Contains("--accept-data-loss " + token));
  CHECK(story.read(kSnap2) == story.damaged);

  story.accept(token);
  CHECK(story.server.data() == Data{{"a", "1"}});
  CHECK_FALSE(story.there(kSnap2));
  CHECK(story.read(std::string(kSnap2) + ".damaged") == story.damaged);
  CHECK_FALSE(story.there("SET_ASIDE"));
  // What was lost stays on record, whatever later starts find.
  CHECK_THAT(story.read("RECOVERY." + token), Contains("SERVED without what is damaged, as token " + token));
  CHECK(story.server.put("c", "1") > story.last);
  REQUIRE(story.server.snapshot().ok());
  story.server.kill_and_start();
  CHECK(story.server.data() == Data{{"a", "1"}, {"c", "1"}});
  CHECK_THAT(story.read("RECOVERY"), Contains("verdict: SERVED, nothing is lost"));
  CHECK_THAT(story.read("RECOVERY." + token), Contains("SERVED without"));
}

TEST_CASE("data loss: a token is good for the damage that it was made of and for no other") {
  DamagedSnapshot story;
  const std::string token = story.refused();
  CHECK(story.refused() == token);  // Refusing changes nothing that matters.

  SECTION("another place of the same file") { story.flip(kSnap2, 20); }
  SECTION("another store") {
    Manifest manifest = story.server.manifest();
    manifest.store_id = random_store_id();
    story.write("MANIFEST", to_text(manifest));
  }
  SECTION("a start in between") {
    Manifest manifest = story.server.manifest();
    manifest.generation += 1;
    story.write("MANIFEST", to_text(manifest));
  }
  SECTION("one that was never given") {
    story.server.accept_ = "0123456789abcdef";
    CHECK(story.refused() == token);
    CHECK(story.read(kSnap2) == story.damaged);
    return;
  }
  story.server.accept_ = token;
  const absl::Status status = story.server.open();
  CHECK(facts_of(status)["exit"] == "3");
  CHECK(facts_of(status)["token"] != token);
  CHECK_THAT(std::string(message_of(status)), Contains("--accept-data-loss " + token + " is not for what is damaged"));
  CHECK(story.there(kSnap2));
}

TEST_CASE("data loss: a token on sound data is not needed, and says so") {
  StorageFixture server(Mode::kSnapshot);
  server.start();
  server.put("a", "1");
  server.accept_ = "0123456789abcdef";
  server.restart();
  CHECK(server.data() == Data{{"a", "1"}});
  CHECK(server.logged("--accept-data-loss was not needed"));
}

TEST_CASE("data loss: where there is no state to go on with there is no token, and never an empty start") {
  SECTION("the only snapshot") {
    Damaged story(Mode::kSnapshot);
    story.server.start();
    story.server.put("a", "1");
    REQUIRE(story.server.snapshot().ok());
    story.server.kill();
    story.flip(kSnap1, 200);
    CHECK(story.refused().empty());
    CHECK_THAT(story.server.report_, Contains("kvstore_tool repair"));
  }
  SECTION("MANIFEST") {
    DamagedSnapshot story;
    story.flip("MANIFEST", 20);
    CHECK(story.refused().empty());
  }
  SECTION("the first record of a log without a snapshot") {
    Damaged story(Mode::kAof);
    story.server.start();
    story.server.put("a", "a value to be found");
    story.server.put("b", "2");
    story.server.kill();
    const std::string file = "aof/" + story.server.files("aof").front();
    story.flip(file, story.read(file).find("a value to be found"));
    CHECK(story.refused().empty());
  }
}

TEST_CASE("data loss: a log is cut at the damage, and what lies behind it is set aside") {
  for (const Mode mode : {Mode::kAof, Mode::kHybrid}) {
    Damaged story(mode);
    story.server.start();
    story.server.put_many("kept", 3);
    const Data kept = story.server.data();
    story.server.put("damaged", "a value to be found");
    story.server.put_many("behind", 30, 100'000);
    story.server.put("last", "1");
    story.server.kill();
    const std::vector<std::string> segments = story.server.files("aof");
    const std::string first = "aof/" + segments.at(0);
    story.flip(first, story.read(first).find("a value to be found"));
    const std::string damaged = story.read(first);
    const std::string second = story.read("aof/" + segments.at(1));

    const std::string token = story.refused();
    CHECK_THAT(story.server.report_, Contains("serve exactly the state of revision 3") &&
                                         Contains("the last one that is known of has revision 3"));
    story.accept(token);
    CHECK(story.server.data() == kept);
    CHECK((story.read(first + ".damaged") == damaged));  // without its text, which is a whole segment
    CHECK((story.read("aof/" + segments.at(1) + ".cut-off") == second));
    CHECK(story.server.put("after", "1") > 35);
    const Data after = story.server.data();
    story.server.kill_and_start();
    CHECK(story.server.data() == after);
    REQUIRE(story.server.snapshot().ok());
    story.server.restart();
    CHECK(story.server.data() == after);
  }
}

TEST_CASE("data loss: a segment whose start block is damaged is named, and kept with every record in it") {
  DamagedSegment story;
  story.write_segments("k", 4);
  story.server.kill();
  const std::string second = story.segment(2);
  std::string bytes = story.read(second);
  SECTION("a bit of it") { bytes = flipped(bytes, 72); }
  SECTION("all of it") { std::fill(bytes.begin() + 64, bytes.begin() + 128, '\0'); }
  SECTION("all that the segment held") { std::fill(bytes.begin() + 64, bytes.end(), '\0'); }
  story.damage(second, bytes);

  const std::string token = story.refused();
  CHECK(story.place.file == second);
  CHECK(story.place.offset == 64);
  CHECK_THAT(story.server.report_, Contains(second + ".damaged") && !Contains(story.segment(1)));
  story.accept(token);
  const Data left = story.server.data();
  CHECK(left.size() >= 9);
  CHECK(left.size() <= 10);
  story.check_kept(second, ".damaged");
  story.check_kept(story.segment(3), ".cut-off");
  story.check_kept(story.segment(4), ".cut-off");
  story.server.kill_and_start();
  CHECK(story.server.data() == left);
}

TEST_CASE("data loss: many segments are started from, refused and set aside with a few open files") {
  DamagedSegment story;
  story.write_segments("k", 40);
  const Data all = story.server.data();
  story.server.kill();
  OpenFileLimit few(*story.disk, 12);
  story.server.use(few);
  story.server.start();
  CHECK((story.server.data() == all));
  story.server.kill();
  story.damage(story.segment(20), flipped(story.read(story.segment(20)), 72));
  story.accept(story.refused());
  story.check_kept(story.segment(20), ".damaged");
  story.check_kept(story.segment(40), ".cut-off");
  story.server.kill();
}

TEST_CASE("data loss: a damaged start block behind other damage costs no file") {
  DamagedSegment story;
  story.write_segments("k", 4);
  story.server.kill();
  const std::string first = story.segment(1);
  story.flip(first, 500'000);
  story.damage(story.segment(3), flipped(story.read(story.segment(3)), 72));
  story.accept(story.refused());
  CHECK(story.place.file == first);
  CHECK_THAT(story.server.report_, Contains(story.segment(3) + " at offset 64"));
  story.check_kept(first, ".damaged");
  story.check_kept(story.segment(2), ".cut-off");
  story.check_kept(story.segment(3), ".damaged");
  story.check_kept(story.segment(4), ".cut-off");
}

TEST_CASE("data loss: a damaged start block below the snapshot costs no change: a later segment goes on from there") {
  DamagedSegment story(Mode::kHybrid);
  story.write_segments("k", 3);
  REQUIRE(story.server.snapshot().ok());
  story.write_segments("l", 2);
  const Data all = story.server.data();
  story.server.kill();
  story.damage(story.segment(2), flipped(story.read(story.segment(2)), 72));
  story.accept(story.refused());
  CHECK(story.server.data() == all);
  story.check_kept(story.segment(1), ".cut-off");
  story.check_kept(story.segment(2), ".damaged");
}

TEST_CASE("data loss: a log that ends below its snapshot because of a start block names that one") {
  DamagedSegment story(Mode::kHybrid);
  story.write_segments("k", 1);
  story.server.put_many("last", 1, 100'000);  // Into the second segment.
  REQUIRE(story.server.snapshot().ok());
  story.server.kill();
  const std::string second = story.segment(2);
  std::string bytes = story.read(second);
  std::fill(bytes.begin() + 128, bytes.end(), '\0');
  bytes[200] = 'x';  // Nothing that could be read, and not nothing.
  bytes = flipped(bytes, 72);
  story.damage(second, bytes);
  const std::string token = story.refused();
  CHECK(story.place.file == second);
  CHECK(story.place.offset == 64);
  story.accept(token);
  CHECK(story.server.data().size() == 11);  // The snapshot has it.
  story.check_kept(second, ".damaged");
}

TEST_CASE("recovery: a segment that holds bytes is not cut short as an unused one, whatever its start block says") {
  DamagedSegment story;
  story.write_segments("k", 1);
  story.server.kill();
  // As the power may leave one that was just begun: torn, and nothing in it that was promised.
  const std::string next = story.segment(3);
  REQUIRE(story.there(next));
  story.damage(next, flipped(story.read(next), 200));
  story.disk->fail({.call = DiskCall::kRename, .path_part = "MANIFEST"});
  CHECK_FALSE(story.server.open().ok());
  CHECK((story.read(next) == story.before.at(next)));
  const std::string unused = story.segment(4);
  CHECK(story.read(unused).size() < story.before.at(unused).size());
  story.server.start();
  CHECK(story.server.data().size() == 10);
}

TEST_CASE("data loss: damage of a log below its snapshot costs the fallback and no change") {
  Damaged story(Mode::kHybrid);
  story.server.start();
  story.server.put("damaged", "a value to be found");
  story.server.put_many("a", 20, 100'000);
  REQUIRE(story.server.snapshot().ok());
  story.server.put_many("b", 20, 100'000);
  const Data all = story.server.data();
  story.server.kill();
  const std::string first = "aof/" + story.server.files("aof").front();
  story.flip(first, story.read(first).find("a value to be found"));
  const std::string token = story.refused();
  CHECK_THAT(story.server.report_, Contains("lost: no change that is known of"));
  story.accept(token);
  CHECK(story.server.data() == all);
  story.server.put("after", "1");
  story.server.kill_and_start();
  CHECK(story.server.data().size() == all.size() + 1);
  // The log that is left does not reach below the snapshot: without that one there is nothing.
  story.server.kill();
  story.flip(kSnap1, 200);
  CHECK(story.refused().empty());
}

TEST_CASE("data loss: HYBRID without the snapshots that its log continues goes back to an older one, by token") {
  Damaged story(Mode::kHybrid);
  story.server.start();
  story.server.put("old", "1");
  REQUIRE(story.server.snapshot().ok());
  const Data old = story.server.data();
  for (int i = 0; i < 2; ++i) {
    story.server.put_many("b" + std::to_string(i), 30, 100'000);
    REQUIRE(story.server.snapshot().ok());
  }
  story.server.kill();
  const Manifest manifest = story.server.manifest();
  REQUIRE(manifest.snapshots.size() == 3);
  REQUIRE(manifest.log_whole_from > manifest.snapshots[0].cut);
  story.flip(kSnap2, 300);
  story.flip("snapshots/0000000000000003.snap", 300);
  story.accept(story.refused());
  CHECK(story.server.data() == old);
  story.server.put("new", "1");
  story.server.kill_and_start();
  CHECK(story.server.data() == Data{{"new", "1"}, {"old", "1"}});
}

TEST_CASE("recovery: a log that ends before a damaged newest snapshot has lost bytes too, and is refused") {
  Damaged story(Mode::kHybrid);
  story.server.start();
  story.server.put("a", "1");
  REQUIRE(story.server.snapshot().ok());
  story.server.put("b", "value of b");
  REQUIRE(story.server.snapshot().ok());
  story.server.kill();
  story.flip(kSnap2, 200);
  for (const std::string& name : story.server.files("aof")) {
    std::string bytes = story.read("aof/" + name);
    const std::size_t b = bytes.find("value of b");
    if (b == std::string::npos) continue;
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(b), bytes.end(), '\0');
    story.write("aof/" + name, bytes);
  }
  story.accept(story.refused());
  CHECK(story.server.data() == Data{{"a", "1"}});
}

TEST_CASE("data loss: whatever byte of a store is damaged, a token leads to the exact state of one revision") {
  const Mode mode = GENERATE(Mode::kSnapshot, Mode::kAof, Mode::kHybrid);
  INFO(word(mode));
  Damaged sound(mode);
  std::vector<Data> states;
  sound.server.start();
  for (int i = 0; i < 12; ++i) {
    sound.server.put("key" + std::to_string(i % 5), "value " + std::to_string(i));
    states.push_back(sound.server.data());
    if (i == 4 || i == 8) REQUIRE(sound.server.snapshot().ok());
  }
  sound.server.kill();
  std::vector<std::string> files;
  for (const char* folder : {"aof", "snapshots"}) {
    for (const std::string& name : sound.server.files(folder)) files.push_back(std::string(folder) + "/" + name);
  }
  const std::size_t stride = std::min<std::size_t>(crash_step(19), 61);  // every byte where every call is cut
  int accepted = 0;
  for (const std::string& file : files) {
    const std::string bytes = sound.read(file);
    const std::size_t end = std::min<std::size_t>(bytes.find_last_not_of('\0') + 1, 1500);
    for (std::size_t at = 0; at < end; at += stride) {
      INFO(file << " at " << at);
      Damaged story(mode);
      story.disk = sound.disk->after_crash({Survivors::Which::kAll, 0, 0, 0});
      story.server.use(*story.disk);
      story.write(file, flipped(bytes, at));
      const absl::Status opened = story.server.open();
      if (!opened.ok()) {
        const std::string token = facts_of(opened)["token"];
        if (token.empty()) continue;
        story.accept(token);
        ++accepted;
      }
      const Data found = story.server.data();
      CHECK(std::find(states.begin(), states.end(), found) != states.end());
      story.server.kill_and_start();
      CHECK(story.server.data() == found);
      story.server.kill();
    }
  }
  CHECK(accepted > 6);
}

TEST_CASE("data loss: a crash at any call of the start that was accepted keeps every damaged file and the token") {
  const CrashCounts counts = cut_accepted_start({.step = crash_step(5)});
  CHECK(counts.cuts > 0);
  CHECK(counts.losses.left >= counts.cuts);
}

}  // namespace kv
