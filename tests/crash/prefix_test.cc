#include "tests/crash/prefix.h"

#include <catch2/catch.hpp>

namespace kv::crash {
namespace {

constexpr WriteId kA{1, 1};
constexpr WriteId kB{2, 1};
constexpr WriteId kC{3, 1};

// A life in which things happen one after the other; what is not answered stays open.
class Life {
 public:
  void set(std::string key, WriteId id, std::uint64_t revision) { answered(key, id, revision); }
  void erase(std::string key, std::uint64_t revision) { answered(key, std::nullopt, revision); }
  void set_open(std::string key, WriteId id) { begun(key, id); }
  // Two keys, one record.
  void set_both(std::string first, std::string second, WriteId id, std::uint64_t revision) {
    answered(first, id, revision, ++records_);
    answered(second, id, revision, records_);
  }
  void set_both_open(std::string first, std::string second, WriteId id) {
    begun(first, id, ++records_);
    begun(second, id, records_);
  }
  void erase_open(std::string key) { begun(key, std::nullopt); }
  void shows(std::string key, WriteId id, std::uint64_t version) { question_.now[key] = {id, version}; }
  void had(std::string key, WriteId id, std::uint64_t version) { question_.before[key] = {id, version}; }
  bool is_right(std::uint64_t first, std::uint64_t last) {
    question_.numbers = {first, last};
    return judge_prefix(question_).empty();
  }

 private:
  void answered(std::string key, std::optional<WriteId> set, std::uint64_t revision, std::uint64_t record = 0) {
    question_.changes.push_back({key, set, ++now_, 0, revision, record});
    question_.changes.back().end = ++now_;
  }
  void begun(std::string key, std::optional<WriteId> set, std::uint64_t record = 0) {
    question_.changes.push_back({key, set, ++now_, kNeverEnded, 0, record});
  }

  PrefixQuestion question_;
  std::uint64_t now_ = 0;
  std::uint64_t records_ = 0;
};

}  // namespace

TEST_CASE("prefix: a state with all writes up to its revision is right, with one missing or one too many it is wrong") {
  const std::uint64_t last = GENERATE(1, 2, 3);
  Life life;
  life.set("a", kA, 1);
  life.set("b", kB, 2);
  life.set("c", kC, 3);
  life.shows("a", kA, 1);
  life.shows("b", kB, 2);
  CHECK(life.is_right(1, last) == (last == 2));
}

TEST_CASE(
    "prefix: an open write may show, with a number that nobody else has and that comes after what it came after") {
  const std::uint64_t version = GENERATE(1, 2, 3, 4);
  Life life;
  life.set("a", kA, 1);
  life.set_open("b", kB);
  life.set("c", kC, 3);
  life.shows("a", kA, 1);
  life.shows("b", kB, version);
  life.shows("c", kC, 3);
  CHECK(life.is_right(1, 3) == (version == 2));
}

TEST_CASE("prefix: an open write that shows cannot come before one that had ended when it began") {
  Life life;
  life.set("c", kC, 3);
  life.set_open("b", kB);
  life.shows("b", kB, 2);
  life.shows("c", kC, 3);
  CHECK_FALSE(life.is_right(2, 3));
}

TEST_CASE("prefix: of two open writes the later one does not show without the earlier one") {
  const bool earlier_shows = GENERATE(true, false);
  Life life;
  life.set_open("a", kA);
  life.set_open("b", kB);
  if (earlier_shows) life.shows("a", kA, 1);
  life.shows("b", kB, 2);
  CHECK(life.is_right(1, 2) == earlier_shows);
}

TEST_CASE("prefix: a number may be that of an open write which another one replaced") {
  const std::uint64_t version = GENERATE(2, 3);
  Life life;
  life.set_open("a", kA);
  life.set_open("c", kC);
  life.set("a", kB, version);
  life.shows("a", kB, version);
  if (version == 3) life.shows("c", kC, 1);
  CHECK(life.is_right(1, version));
}

TEST_CASE("prefix: a key that is gone needs a delete, which has a number") {
  const std::uint64_t last = GENERATE(5, 6);
  const bool deleted = GENERATE(true, false);
  Life life;
  life.set("a", kA, 5);
  if (deleted) {
    life.erase_open("a");
  } else {
    life.set_open("b", kB);
  }
  CHECK(life.is_right(5, last) == (deleted && last == 6));
}

TEST_CASE("prefix: a deleted key that is back is wrong, and so is a delete of what was not there") {
  Life back;
  back.set("a", kA, 1);
  back.erase("a", 2);
  back.shows("a", kA, 1);
  CHECK_FALSE(back.is_right(1, 2));
  Life nothing;
  nothing.erase("a", 1);
  CHECK_FALSE(nothing.is_right(1, 1));
}

TEST_CASE("prefix: what was there before the life stays, with its version, until it is written to") {
  const std::uint64_t version = GENERATE(7, 8);
  Life life;
  life.had("old", kA, 7);
  life.set("new", kB, 20);
  life.shows("old", kA, version);
  life.shows("new", kB, 20);
  CHECK(life.is_right(20, 20) == (version == 7));
}

TEST_CASE("prefix: a state of before the life is right when it shows nothing of it") {
  const bool newer = GENERATE(true, false);
  Life life;
  life.had("a", kA, 7);
  life.set("b", kB, 20);
  life.shows("a", kA, 7);
  if (newer) life.shows("b", kB, 20);
  CHECK(life.is_right(20, 9) == !newer);
}

TEST_CASE("prefix: more numbers than writes are wrong, however many") {
  Life life;
  life.set("a", kA, 1);
  life.shows("a", kA, 1);
  CHECK_FALSE(life.is_right(1, 1ULL << 60));
}

TEST_CASE("prefix: a value with the version of another write is wrong") {
  Life life;
  life.set("a", kA, 1);
  life.set("b", kB, 2);
  life.shows("a", kA, 2);
  life.shows("b", kB, 2);
  CHECK_FALSE(life.is_right(1, 2));
}

TEST_CASE("prefix: of a transaction both keys show, with one number, whether or not it was answered") {
  const bool open = GENERATE(true, false);
  const bool first = GENERATE(true, false);
  const bool second = GENERATE(true, false);
  Life life;
  life.set("c", kC, 1);
  if (open) {
    life.set_both_open("a", "b", kA);
  } else {
    life.set_both("a", "b", kA, 2);
  }
  life.shows("c", kC, 1);
  if (first) life.shows("a", kA, 2);
  if (second) life.shows("b", kA, 2);
  CHECK(life.is_right(1, 2) == (first && second));
  CHECK(life.is_right(1, 1) == (!first && !second));
}

TEST_CASE("prefix: two keys of a transaction with numbers of their own are two records, which it was not") {
  const std::uint64_t version = GENERATE(1, 2);
  Life life;
  life.set_both_open("a", "b", kA);
  life.set_open("c", kC);
  life.shows("a", kA, 1);
  life.shows("b", kA, version);
  if (version == 1) life.shows("c", kC, 2);
  CHECK(life.is_right(1, 2) == (version == 1));
}

TEST_CASE("prefix: one key of an open transaction may have been written again, the other shows what it left") {
  const bool other_shows = GENERATE(true, false);
  Life life;
  life.set_both_open("a", "b", kA);
  life.set("a", kB, 2);
  life.shows("a", kB, 2);
  if (other_shows) life.shows("b", kA, 1);
  CHECK(life.is_right(1, 2) == other_shows);
}

TEST_CASE("prefix: an open transaction that nothing shows of any more has a number that is nobody else's") {
  Life life;
  life.set_both_open("a", "b", kA);
  life.set("a", kB, 2);
  life.set("b", kC, 3);
  life.shows("a", kB, 2);
  life.shows("b", kC, 3);
  CHECK(life.is_right(1, 3));
}

}  // namespace kv::crash
