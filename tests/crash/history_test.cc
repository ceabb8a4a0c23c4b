#include "tests/crash/history.h"

#include <catch2/catch.hpp>

namespace kv::crash {

namespace {
constexpr WriteId kFirst{1, 1};
constexpr WriteId kSecond{1, 2};
constexpr WriteId kOther{2, 1};
bool right(const std::string& problem) { return problem.empty(); }
}  // namespace

TEST_CASE("history: an acknowledged write must be there, and nothing older in its place") {
  const std::optional<WriteId> shown = GENERATE(std::optional<WriteId>(kSecond), std::optional<WriteId>(kFirst),
                                                std::optional<WriteId>(), std::optional<WriteId>(kOther));
  History history;
  history.acknowledge(history.begin_set("k", kFirst));
  history.acknowledge(history.begin_set("k", kSecond));
  CHECK(right(history.settle("k", shown)) == (shown == kSecond));
}

TEST_CASE("history: a write that was never answered may be there or not") {
  const std::optional<WriteId> shown =
      GENERATE(std::optional<WriteId>(kSecond), std::optional<WriteId>(kFirst), std::optional<WriteId>());
  History history;
  history.acknowledge(history.begin_set("k", kFirst));
  history.begin_set("k", kSecond);
  CHECK(right(history.settle("k", shown)) == shown.has_value());
}

TEST_CASE("history: an acknowledged delete stays, one that was not answered may have happened") {
  History history;
  history.acknowledge(history.begin_set("deleted", kFirst));
  history.acknowledge(history.begin_delete("deleted"));
  CHECK_FALSE(right(history.settle("deleted", kFirst)));

  history.acknowledge(history.begin_set("perhaps", kFirst));
  history.begin_delete("perhaps");
  CHECK(right(history.settle("perhaps", std::nullopt)));
}

TEST_CASE("history: of two acknowledged writes at the same time either may be the last, not neither") {
  const std::optional<WriteId> shown =
      GENERATE(std::optional<WriteId>(kFirst), std::optional<WriteId>(kOther), std::optional<WriteId>());
  History history;
  const auto one = history.begin_set("k", kFirst);
  const auto two = history.begin_set("k", kOther);
  history.acknowledge(one);
  history.acknowledge(two);
  CHECK(right(history.settle("k", shown)) == shown.has_value());
}

TEST_CASE("history: what a check has seen is settled, an open write of before cannot show later") {
  History history;
  history.acknowledge(history.begin_set("k", kFirst));
  history.begin_set("k", kSecond);
  CHECK(right(history.settle("k", kFirst)));
  CHECK(right(history.settle("k", kFirst)));
  CHECK_FALSE(right(history.settle("k", kSecond)));
}

TEST_CASE("history: a key that nobody ever wrote must not be there") {
  History history;
  CHECK_FALSE(right(history.settle("stranger", kFirst)));
  CHECK(right(history.settle("nothing", std::nullopt)));
}

TEST_CASE("value: only the whole value under its own key is believed") {
  const std::string value = make_value("k", kSecond, 300);
  CHECK(value.size() == 300);
  CHECK(read_value("k", value) == kSecond);
  CHECK_FALSE(read_value("j", value));
  CHECK_FALSE(read_value("kk", value));
  CHECK_FALSE(read_value("k", value.substr(0, 299)));
  CHECK_FALSE(read_value("k", value + "x"));
  CHECK_FALSE(read_value("k", ""));
  for (std::size_t i = 0; i < value.size(); ++i) {
    std::string damaged = value;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    CHECK_FALSE(read_value("k", damaged));
  }
}

TEST_CASE("history: revisions say which of two writes at the same time is the last") {
  const std::optional<WriteId> shown = GENERATE(std::optional<WriteId>(kFirst), std::optional<WriteId>(kOther));
  History history;
  const auto one = history.begin_set("k", kFirst);
  const auto two = history.begin_set("k", kOther);
  history.acknowledge(two, 7);
  history.acknowledge(one, 8);
  CHECK(right(history.settle("k", shown)) == (shown == kFirst));
}

TEST_CASE("history: at a cut exactly the newest write up to it shows, no older and no newer one") {
  const std::optional<WriteId> shown = GENERATE(std::optional<WriteId>(kFirst), std::optional<WriteId>(kSecond),
                                                std::optional<WriteId>(kOther), std::optional<WriteId>());
  History history;
  history.acknowledge(history.begin_set("k", kFirst), 3);
  history.acknowledge(history.begin_set("k", kSecond), 5);
  history.acknowledge(history.begin_set("k", kOther), 6);
  CHECK(history.acknowledged_above(5) == 1);
  CHECK(right(history.settle_at_cut("k", shown, 5)) == (shown == kSecond));
}

TEST_CASE("history: at a cut a key that is newer or deleted is not there, and an open write may be") {
  History history;
  history.acknowledge(history.begin_set("newer", kFirst), 9);
  CHECK_FALSE(right(history.settle_at_cut("newer", kFirst, 8)));
  history.acknowledge(history.begin_set("deleted", kFirst), 10);
  history.acknowledge(history.begin_delete("deleted"), 11);
  CHECK_FALSE(right(history.settle_at_cut("deleted", kFirst, 11)));
  history.acknowledge(history.begin_set("open", kFirst), 12);
  history.begin_set("open", kSecond);
  CHECK(right(history.settle_at_cut("open", kSecond, 12)));
}

TEST_CASE("history: a delete that found nothing changes no state at a cut") {
  History history;
  history.acknowledge(history.begin_set("k", kFirst), 3);
  history.acknowledge(history.begin_delete("k"));
  CHECK(right(history.settle_at_cut("k", kFirst, 3)));
}

TEST_CASE("history: where nothing is kept, a key that shows is wrong") {
  History history;
  history.acknowledge(history.begin_set("k", kFirst), 3);
  CHECK_FALSE(right(history.settle_empty("k", kFirst)));
  CHECK(right(history.settle_empty("k", std::nullopt)));
}

TEST_CASE("history: a revision given twice is noticed, and one that was given before a crash too") {
  History history;
  CHECK(right(history.acknowledge(history.begin_set("a", kFirst), 3)));
  CHECK_FALSE(right(history.acknowledge(history.begin_set("b", kFirst), 3)));
  CHECK(right(history.acknowledge(history.begin_set("c", kFirst), 9)));
  CHECK(right(history.acknowledge(history.begin_set("d", kFirst), 8)));
  CHECK(history.highest_revision() == 9);
  history.crashed();
  CHECK_FALSE(right(history.acknowledge(history.begin_set("e", kFirst), 9)));
  CHECK(right(history.acknowledge(history.begin_set("f", kFirst), 10)));
}

TEST_CASE("history: an answer that comes while the disk dies leaves its write open, its revision stays taken") {
  History history;
  history.acknowledge(history.begin_set("k", kFirst), 3);
  const auto during = history.begin_set("k", kSecond);
  history.disk_dies();
  CHECK(right(history.acknowledge(during, 4)));
  history.disk_is_dead(true);
  CHECK(history.answered_dying_above(3) == 1);
  CHECK(history.answered_dying_above(4) == 0);
  history.crashed();
  CHECK(right(history.settle("k", kFirst)));
  CHECK_FALSE(right(history.acknowledge(history.begin_set("k", kOther), 4)));
}

TEST_CASE("history: a write that begins on a dead disk must not be acknowledged where the disk was promised") {
  const bool promised = GENERATE(true, false);
  History history;
  history.disk_dies();
  const auto begun_before = history.begin_set("before", kFirst);
  history.disk_is_dead(promised);
  CHECK(right(history.acknowledge(begun_before, 1)));
  CHECK(right(history.acknowledge(history.begin_set("after", kSecond), 2)) == !promised);
}

TEST_CASE("history: the two keys of a transaction have one revision, which nobody else has") {
  History history;
  CHECK(right(history.acknowledge(history.begin_pair("a", "b", kFirst), 3)));
  CHECK(history.acknowledged_above(2) == 1);
  CHECK_FALSE(right(history.acknowledge(history.begin_set("c", kSecond), 3)));
  CHECK_FALSE(right(history.acknowledge(history.begin_pair("a", "c", kOther), 3)));
}

TEST_CASE("history: what check_prefix is told of a transaction is one record") {
  const bool both = GENERATE(true, false);
  History history;
  history.begin_pair("a", "b", kFirst);
  ShownState shown{{"a", {kFirst, 1}}};
  if (both) shown["b"] = {kFirst, 1};
  CHECK(right(history.check_prefix(shown, {1, 1})) == both);
}

TEST_CASE("value: it tells the expiry that it was written with") {
  CHECK(expiry_in(make_value("k", kFirst, 300, 4'102'444'800'001)) == 4'102'444'800'001);
  CHECK(expiry_in(make_value("k", kFirst, 300)) == 0);
}

}  // namespace kv::crash
