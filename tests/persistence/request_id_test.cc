// Request ids on disk: each is exactly where its change is, in the log, in the base, and after any restart.
#include <algorithm>
#include <filesystem>
#include <set>

#include <catch2/catch.hpp>

#include "core/bytes.h"
#include "persistence/format/log_format.h"
#include "tests/persistence/data_loss_fixture.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

RequestBlock request(std::uint64_t number) {
  RequestBlock block{.request_hash = number * 3, .applied = true, .created = true, .added = number, .value = -5};
  store(block.id.data(), number);
  // Without it the id looks like a checksum's last byte and the zeros at the end of a segment, one time in a hundred.
  store(block.id.data() + 8, std::uint64_t{0x5eed0f1d5eed0f1d});
  return block;
}
RequestBlock unapplied(std::uint64_t number) {
  RequestBlock block = request(number);
  block.applied = block.created = false;
  return block;
}

// As it was answered, or not there at all.
bool known(const StorageFixture& server, const RequestBlock& block) {
  const auto first = server.remembered(block.id);
  if (first) CHECK(first->block == block);
  return first.has_value();
}

std::size_t end_of_data(const std::string& bytes) { return bytes.find_last_not_of('\0') + 1; }

}  // namespace

TEST_CASE("request ids: AOF and HYBRID know them after a kill and after a clean stop, with their revisions") {
  for (const Mode mode : {Mode::kAof, Mode::kHybrid}) {
    StorageFixture server(mode);
    server.start();
    server.put("before", "1");
    const Revision first = server.put_once(request(1), "a", "1");
    const Revision second = server.remember(unapplied(2));
    CHECK(second == first + 1);  // A request that changed nothing has a record, and so a number.
    for (int round = 0; round < 3; ++round) {
      round == 1 ? server.restart() : server.kill_and_start();
      CHECK(known(server, request(1)));
      CHECK(server.remembered(request(1).id)->revision == first);
      CHECK(known(server, unapplied(2)));
      CHECK(server.remembered(unapplied(2).id)->revision == second);
      CHECK(server.data() == Data{{"a", "1"}, {"before", "1"}});
    }
  }
}

TEST_CASE("request ids: a compaction drops the log, and the base keeps the ids") {
  StorageFixture server(Mode::kAof);
  server.start();
  server.put_once(request(1), "a", "1");
  server.remember(unapplied(2));
  server.kill_and_start();  // So that the segment they stand in is a closed one.
  server.put_once(request(3), "b", "1");
  const std::vector<std::string> before = server.files("aof");
  REQUIRE(server.rewrite().ok());
  CHECK(server.manifest().snapshots.size() == 1);
  server.put_once(request(4), "c", "1");
  server.kill();
  std::uint64_t left = 0;  // of the ids that are in the base, in what remains of the log
  for (const std::string& name : server.files("aof")) {
    const std::string bytes = server.read("aof/" + name);
    for (const std::uint64_t number : {1, 2}) left += bytes.find(as_text(request(number).id)) != bytes.npos;
  }
  CHECK(left == 0);
  server.start();
  for (const RequestBlock& block : {request(1), unapplied(2), request(3), request(4)}) CHECK(known(server, block));
  // Twice in a row: what was loaded from a base goes into the next one.
  REQUIRE(server.rewrite().ok());
  server.kill_and_start();
  for (const RequestBlock& block : {request(1), unapplied(2), request(3), request(4)}) CHECK(known(server, block));
}

TEST_CASE("request ids: HYBRID keeps them when its newest snapshot is damaged") {
  StorageFixture server(Mode::kHybrid);
  server.start();
  server.put_once(request(1), "a", "1");
  REQUIRE(server.snapshot().ok());
  server.put_once(request(2), "b", "1");
  REQUIRE(server.snapshot().ok());
  server.put_once(request(3), "c", "1");
  server.kill();
  server.overwrite("snapshots/0000000000000002.snap", "nothing");
  server.start();
  for (std::uint64_t number = 1; number <= 3; ++number) CHECK(known(server, request(number)));
}

TEST_CASE("request ids: a start that accepts a loss knows those of every change it has, and a snapshot keeps them") {
  for (const Mode mode : {Mode::kAof, Mode::kHybrid}) {
    Damaged story(mode);
    story.server.start();
    story.server.put_once(request(1), "in the snapshot", "1");
    if (mode == Mode::kHybrid) REQUIRE(story.server.snapshot().ok());
    const Revision second = story.server.put_once(request(2), "in the log", "1");
    story.server.remember(unapplied(3));
    story.server.put_once(request(4), "lost", "a value to be found");
    story.server.put_once(request(5), "lost too", "1");
    story.server.kill();
    const std::string file = "aof/" + story.server.files("aof").front();
    story.flip(file, story.read(file).find("a value to be found"));
    story.accept(story.refused());
    for (int round = 0; round < 3; ++round) {
      INFO(word(mode) << ", " << round);
      for (const RequestBlock& block : {request(1), request(2), unapplied(3)}) CHECK(known(story.server, block));
      CHECK_FALSE(known(story.server, request(4)));
      CHECK_FALSE(known(story.server, request(5)));
      CHECK(story.server.remembered(request(2).id)->revision == second);
      if (round == 0) REQUIRE(story.server.snapshot().ok());
      story.server.kill_and_start();
    }
  }
}

TEST_CASE("request ids: in SNAPSHOT mode an id is lost with its change, and never alone") {
  StorageFixture server(Mode::kSnapshot);
  server.start();
  server.put_once(request(1), "a", "1");
  REQUIRE(server.snapshot().ok());
  server.put_once(request(2), "b", "1");
  server.kill_and_start();
  CHECK(server.data() == Data{{"a", "1"}});
  CHECK(known(server, request(1)));
  CHECK_FALSE(known(server, request(2)));
  server.put_once(request(2), "b", "2");
  server.restart();
  CHECK(known(server, request(2)));
}

TEST_CASE("request ids: what was written without a log is in the base that a switch begins with") {
  StorageFixture server(Mode::kNonPersistent);
  server.start();
  server.put_once(request(1), "a", "1");
  server.switch_to(Mode::kAof);
  server.put_once(request(2), "b", "1");
  server.kill_and_start();
  CHECK(known(server, request(1)));
  CHECK(known(server, request(2)));
}

TEST_CASE("request ids: cut at any byte, the log holds the ids of exactly the changes it holds") {
  StorageFixture server(Mode::kAof);
  server.give("fsync", "never");  // So that no watermark says more than what is there.
  server.start();
  for (std::uint64_t number = 1; number <= 4; ++number) {
    server.put_once(request(number), std::to_string(number), "v");
    server.remember(unapplied(number + 10));
  }
  server.kill();
  const std::string saved = server.path() + ".saved";
  std::filesystem::copy(server.path(), saved, std::filesystem::copy_options::recursive);
  std::string file;
  for (const std::string& name : server.files("aof")) {
    if (end_of_data(server.read("aof/" + name)) > kSegmentHeaderBytes) file = "aof/" + name;
  }
  const std::string whole = server.read(file);
  const std::size_t written = end_of_data(whole);
  std::set<std::size_t> seen;
  for (std::size_t size = kSegmentHeaderBytes; size <= written; size += 37) {
    std::filesystem::remove_all(server.path());
    server.adopt(saved);
    std::string cut = whole;
    std::fill(cut.begin() + static_cast<std::ptrdiff_t>(size), cut.end(), '\0');
    server.overwrite(file, cut);
    server.start();
    INFO("cut at " << size);
    const Data data = server.data();
    for (std::uint64_t number = 1; number <= 4; ++number) {
      CHECK(known(server, request(number)) == (data.count(std::to_string(number)) == 1));
    }
    seen.insert(data.size());
    server.kill();
  }
  CHECK(seen == std::set<std::size_t>{0, 1, 2, 3, 4});
}

TEST_CASE("request ids: a replayed id is as old as its batch, and the window's bounds hold after a start too") {
  StorageFixture server(Mode::kAof);
  server.bounds_ = {.age = 10min, .count = 5};
  server.start();
  for (std::uint64_t number = 1; number <= 8; ++number) server.put_once(request(number), "k", "v");
  server.kill_and_start();
  for (std::uint64_t number = 1; number <= 8; ++number) CHECK(known(server, request(number)) == (number > 3));
  server.clock_.advance(5min);
  server.put_once(request(9), "k", "v");
  REQUIRE(server.snapshot().ok());
  server.clock_.advance(5min);
  server.kill_and_start();
  CHECK_FALSE(known(server, request(8)));
  CHECK(known(server, request(9)));
  server.clock_.advance(5min);
  CHECK_FALSE(known(server, request(9)));
}

TEST_CASE("request ids: an id that is used again after its time counts with its last use, after a start too") {
  StorageFixture server(Mode::kHybrid);
  server.bounds_ = {.age = 1min};
  server.start();
  server.put_once(request(1), "a", "1");
  REQUIRE(server.snapshot().ok());
  server.clock_.advance(1min);
  RequestBlock again = request(1);
  again.request_hash = 77;
  const Revision last = server.put_once(again, "a", "2");
  for (int round = 0; round < 2; ++round) {
    server.kill_and_start();
    CHECK(known(server, again));
    CHECK(server.remembered(again.id)->revision == last);
    REQUIRE(server.snapshot().ok());
  }
}

}  // namespace kv
