// Starts on a disk that does not give back what was written.
#include "tests/persistence/bad_sector.h"

#include <algorithm>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/persistence/data_loss_fixture.h"

namespace kv {

using Catch::Matchers::Contains;

TEST_CASE("recovery: bytes that the disk does not give back are refused, naming file and offset, and never lost") {
  for (const Mode mode : {Mode::kSnapshot, Mode::kAof, Mode::kHybrid}) {
    Damaged story(mode);
    story.server.start();
    story.server.put("a", "1");
    REQUIRE(story.server.snapshot().ok());
    story.server.put("b", "2");
    if (mode == Mode::kSnapshot) REQUIRE(story.server.snapshot().ok());
    const Data all = story.server.data();
    story.server.kill();
    for (const char* part : {"MANIFEST", ".snap", ".aof"}) {
      if (mode == Mode::kSnapshot && std::string_view(part) == ".aof") continue;
      for (const DiskCall call : {DiskCall::kRead, DiskCall::kOpen}) {
        INFO(word(mode) << ", " << part);
        if (call == DiskCall::kOpen && std::string_view(part) == "MANIFEST") continue;
        story.disk->fail({.call = call, .path_part = part, .from_then_on = true});
        const absl::Status status = story.server.open();
        INFO(status.ToString());
        CHECK(facts_of(status)["exit"] == "3");
        CHECK_THAT(facts_of(status)["file"], Contains(part));
        CHECK(facts_of(status).count("offset") == 1);
        CHECK(story.server.totals().keys == 0);
        story.disk->heal();
        story.server.start();
        CHECK(story.server.data() == all);
        story.server.kill();
      }
    }
  }
}

TEST_CASE("data loss: a log with a bad sector is refused at its offset, and by token served up to there") {
  Damaged story(Mode::kAof);
  story.server.start();
  story.server.put_many("a", 300, 1000);
  story.server.put("b", "a value to be found");
  story.server.kill();
  const std::string first = "aof/" + story.server.files("aof").front();
  const std::size_t sector = story.read(first).find("a value to be found") / 512 * 512;
  BadSector disk(*story.disk, story.server.path(first), sector);
  story.server.use(disk);
  const std::string token = story.refused();
  CHECK_THAT(story.server.report_, Contains(first + " at offset ") && Contains("the state of revision "));
  story.accept(token);
  // What ends before the sector is there; the reader goes by pages, so a few neighbours may go with it.
  CHECK(story.server.data().size() >= 290);
  CHECK(story.server.data().count("b") == 0);
  CHECK(story.there(first + ".damaged"));
  const Data left = story.server.data();
  story.server.put("after", "1");
  story.server.kill_and_start();
  CHECK(story.server.data().size() == left.size() + 1);
  story.server.kill();
}

TEST_CASE("recovery: HYBRID's older snapshot and the log behind it make the same state, digest and all") {
  for (const bool missing : {false, true}) {
    Damaged story(Mode::kHybrid);
    story.server.start();
    story.server.put_many("a", 50);
    REQUIRE(story.server.snapshot().ok());
    story.server.put_many("a", 30, 20);
    story.server.erase("a7");
    REQUIRE(story.server.snapshot().ok());
    story.server.put("a8", "changed");
    story.server.erase("a9");
    const StoreTotals before = story.server.totals();
    story.server.kill();
    if (missing) {
      REQUIRE(story.disk->remove(story.server.path(kSnap2)).ok());
    } else {
      story.flip(kSnap2, 300);
    }
    story.server.start();
    CHECK(story.server.totals().digest == before.digest);
    CHECK(story.server.totals().keys == before.keys);
    CHECK(story.there(std::string(kSnap2) + ".damaged") != missing);
    CHECK_FALSE(story.there("SET_ASIDE"));
  }
}

}  // namespace kv
