#include "tests/linearizability/checker.h"

#include <vector>

#include <catch2/catch.hpp>

#include "tests/linearizability/story.h"

namespace kv::linearizability {
namespace {

Verdict verdict_of(const History& history) {
  const Judgement judgement = check(history);
  INFO(describe(history) << judgement.why);
  REQUIRE(judgement.verdict != Verdict::kGaveUp);
  CHECK(judgement.why.empty() == (judgement.verdict == Verdict::kLinearizable));
  return judgement.verdict;
}
bool good(std::vector<Operation> operations) {
  return verdict_of({.keys = 2, .operations = std::move(operations)}) == Verdict::kLinearizable;
}
// With a crash at 50.
bool good_with_crash(std::vector<Operation> operations, bool shows_what_is_lost = false) {
  return verdict_of(
             {.keys = 2, .operations = std::move(operations), .crash = 50, .shows_what_is_lost = shows_what_is_lost}) ==
         Verdict::kLinearizable;
}

}  // namespace

TEST_CASE("linearizability: one after the other, each read shows the write before it") {
  CHECK(good({}));
  CHECK(good({set(0, "a", 1, 1, 2), get(0, shown("a", 1), 3, 4), set(0, "b", 2, 5, 6), get(0, shown("b", 2), 7, 8),
              erase(0, 3, 9, 10), get(0, missing(), 11, 12)}));
  History begun{.keys = 1, .operations = {get(0, shown("x", 7), 1, 2)}};
  CHECK(verdict_of(begun) == Verdict::kNotLinearizable);
  begun.initial[0] = shown("x", 7);
  CHECK(verdict_of(begun) == Verdict::kLinearizable);
}

TEST_CASE("linearizability: a stale read after an answered write is bad, during it either value is good") {
  CHECK_FALSE(good({set(0, "a", 1, 1, 2), set(0, "b", 2, 3, 4), get(0, shown("a", 1), 5, 6)}));
  CHECK(good({set(0, "a", 1, 1, 2), set(0, "b", 2, 3, 6), get(0, shown("a", 1), 4, 5)}));
  CHECK(good({set(0, "a", 1, 1, 2), set(0, "b", 2, 3, 6), get(0, shown("b", 2), 4, 5)}));
}

TEST_CASE("linearizability: once a read has shown a new value, a later read shows no older one") {
  const auto reads = [](Operation first, Operation second) {
    return good({set(0, "a", 1, 1, 2), set(0, "b", 2, 3, 10), std::move(first), std::move(second)});
  };
  CHECK_FALSE(reads(get(0, shown("b", 2), 4, 5), get(0, shown("a", 1), 6, 7)));
  CHECK(reads(get(0, shown("a", 1), 4, 5), get(0, shown("b", 2), 6, 7)));
  // Reads at the same time may be put in either order.
  CHECK(reads(get(0, shown("b", 2), 4, 7), get(0, shown("a", 1), 5, 6)));
}

TEST_CASE("linearizability: a lost write is bad, a value from nowhere too, and a version of another value") {
  CHECK_FALSE(good({set(0, "a", 1, 1, 2), get(0, missing(), 3, 4)}));
  CHECK_FALSE(good({set(0, "a", 1, 1, 2), get(0, shown("z", 9), 3, 4)}));
  CHECK_FALSE(good({set(0, "a", 1, 1, 2), get(0, shown("a", 9), 3, 4)}));
}

TEST_CASE("linearizability: a write of unknown outcome may show late, or never, but not and then again not") {
  const auto reads = [](Shown first, Shown second) {
    return good({set(0, "a", 1, 1, 2), unanswered(set(0, "b", 0, 3, 0)), get(0, first, 4, 5), get(0, second, 6, 7)});
  };
  CHECK(reads(shown("a", 1), shown("b", 2)));
  CHECK(reads(shown("a", 1), shown("a", 1)));
  CHECK_FALSE(reads(shown("b", 2), shown("a", 1)));
  CHECK_FALSE(reads(shown("b", 2), shown("b", 3)));
  // It shows before it was sent.
  CHECK_FALSE(good({get(0, shown("b", 2), 3, 4), unanswered(set(0, "b", 0, 5, 0))}));
  CHECK(good({set(0, "a", 1, 1, 2), unanswered(erase(0, 0, 3, 0)), get(0, missing(), 4, 5)}));
}

TEST_CASE("linearizability: a read of unknown outcome says nothing, one without a version is a read all the same") {
  CHECK(good({set(0, "a", 1, 1, 2), unanswered(get(0, shown("z", 9), 3, 0))}));
  CHECK(good({set(0, "a", 1, 1, 2), get(0, shown("a"), 3, 4)}));
  CHECK_FALSE(good({set(0, "a", 1, 1, 2), get(0, shown("b"), 3, 4)}));
}

TEST_CASE("linearizability: a write whose answer tells no revision has the one that is shown") {
  CHECK(good({without_revision(set(0, "a", 0, 1, 2)), get(0, shown("a", 7), 3, 4), get(0, shown("a", 7), 5, 6)}));
  CHECK_FALSE(good({without_revision(set(0, "a", 0, 1, 2)), get(0, shown("a", 7), 3, 4), get(0, shown("a", 8), 5, 6)}));
  CHECK_FALSE(good({without_revision(set(0, "a", 0, 1, 2)), get(0, missing(), 3, 4)}));
}

TEST_CASE("linearizability: what a delete says about the key must be right") {
  CHECK_FALSE(good({set(0, "a", 1, 1, 2), erase(0, kNothingChanged, 3, 4)}));
  CHECK_FALSE(good({erase(0, 1, 1, 2)}));
  CHECK(good({set(0, "a", 1, 1, 2), erase(0, 2, 3, 6), erase(0, kNothingChanged, 4, 5)}));
  CHECK_FALSE(good({set(0, "a", 1, 1, 2), erase(0, 2, 3, 6), erase(0, 3, 4, 5)}));
}

TEST_CASE("linearizability: changes of a key take effect in the order of their revisions, each with its own") {
  CHECK_FALSE(good({set(0, "a", 2, 1, 2), set(0, "b", 1, 3, 4)}));
  CHECK_FALSE(good({set(0, "a", 2, 1, 4), set(0, "b", 2, 2, 3)}));
  CHECK_FALSE(good({set(0, "a", 2, 1, 6), set(0, "b", 1, 2, 5), get(0, shown("b", 1), 7, 8)}));
  CHECK_FALSE(good({set(0, "a", kNothingChanged, 1, 2)}));
  // Of different keys the order may be another.
  CHECK(good({set(0, "a", 2, 1, 6), set(1, "b", 1, 1, 6), look(shown("a", 2), missing(), 2, 3)}));
}

TEST_CASE("linearizability: of two that compare the same version one is applied, the other sees what that one wrote") {
  const Operation first = set(0, "a", 1, 1, 2);
  CHECK(good(
      {first, compare_and_set(0, of_version(1), "b", 2, 3, 6), refused_set(0, of_version(1), shown("b", 2), 4, 5)}));
  CHECK_FALSE(
      good({first, compare_and_set(0, of_version(1), "b", 2, 3, 6), compare_and_set(0, of_version(1), "c", 3, 4, 5)}));
  CHECK_FALSE(
      good({first, compare_and_set(0, of_value("a"), "b", 2, 3, 6), compare_and_set(0, of_value("a"), "c", 3, 4, 5)}));
  // Refused without a cause; refused, and shown what was long gone.
  CHECK_FALSE(good({first, refused_set(0, of_version(1), shown("a", 1), 4, 5)}));
  CHECK_FALSE(good({first, set(0, "b", 2, 3, 4), refused_set(0, of_value("c"), shown("a", 1), 5, 6)}));
}

TEST_CASE("linearizability: a stale read after a compare and set is bad") {
  CHECK_FALSE(
      good({set(0, "a", 1, 1, 2), compare_and_set(0, of_version(1), "b", 2, 3, 4), get(0, shown("a", 1), 5, 6)}));
  CHECK(good({set(0, "a", 1, 1, 2), compare_and_set(0, of_version(1), "b", 2, 3, 6), get(0, shown("a", 1), 4, 5)}));
}

TEST_CASE("linearizability: a lost increment is bad, and so is a lost append") {
  CHECK(good({increment(0, 1, 1, 1, 1, 4), increment(0, 1, 2, 2, 2, 3), get(0, shown("2", 2), 5, 6)}));
  CHECK_FALSE(good({increment(0, 1, 1, 1, 1, 4), increment(0, 1, 1, 2, 2, 3)}));
  CHECK_FALSE(good({increment(0, 1, 1, 1, 1, 4), increment(0, 1, 2, 2, 2, 3), get(0, shown("1", 2), 5, 6)}));
  CHECK(good({append(0, "1", 1, 1, 1, 4), append(0, "2", 2, 2, 2, 3), get(0, shown("12", 2), 5, 6)}));
  CHECK_FALSE(good({append(0, "1", 1, 1, 1, 4), append(0, "2", 1, 2, 2, 3)}));
  CHECK_FALSE(good({append(0, "1", 1, 1, 1, 4), append(0, "2", 2, 2, 2, 3), get(0, shown("21", 2), 5, 6)}));
}

TEST_CASE("linearizability: an increment is refused where the value is no number, and only there") {
  Operation refused = increment(0, 1, 0, kNothingChanged, 3, 4);
  refused.results.clear();
  refused.refusal = "NOT_AN_INTEGER";
  CHECK(good({set(0, "a", 1, 1, 2), refused}));
  CHECK_FALSE(good({set(0, "7", 1, 1, 2), refused}));
  CHECK_FALSE(good({set(0, "a", 1, 1, 2), increment(0, 1, 1, 2, 3, 4)}));
}

TEST_CASE("linearizability: a transaction is seen whole or not at all") {
  const std::vector<Operation> during{set_both("a", 1, 1, 2), set_both("b", 2, 3, 10)};
  const auto then = [&](std::initializer_list<Operation> more) {
    std::vector<Operation> all = during;
    all.insert(all.end(), more);
    return good(all);
  };
  CHECK(then({look(shown("a", 1), shown("a", 1), 4, 5), look(shown("b", 2), shown("b", 2), 6, 7)}));
  CHECK_FALSE(then({look(shown("b", 2), shown("a", 1), 4, 5)}));
  CHECK_FALSE(then({look(shown("a", 1), shown("b", 2), 4, 5)}));
  // By two reads, one after the other.
  CHECK_FALSE(then({get(0, shown("b", 2), 4, 5), get(1, shown("a", 1), 6, 7)}));
  CHECK(then({get(0, shown("a", 1), 4, 5), get(1, shown("b", 2), 6, 7)}));
  CHECK_FALSE(good({set_both("a", 1, 1, 2), unanswered(set_both("b", 0, 3, 0)), get(0, shown("b", 2), 4, 5),
                    get(1, shown("a", 1), 6, 7)}));
}

TEST_CASE("linearizability: keys that are right one by one can be wrong together") {
  // Each key alone has an order, and the two orders are not the same.
  CHECK_FALSE(good({without_revision(set_both("a", 0, 1, 10)), without_revision(set_both("b", 0, 2, 9)),
                    get(0, shown("a"), 11, 12), get(1, shown("b"), 13, 14)}));
  CHECK(good({without_revision(set_both("a", 0, 1, 10)), without_revision(set_both("b", 0, 2, 9)),
              get(0, shown("b"), 11, 12), get(1, shown("b"), 13, 14)}));
}

TEST_CASE("linearizability: the branch that a transaction takes is that of its comparisons") {
  Operation moved = set_both("b", 2, 3, 4);
  moved.comparisons = {{0, of_version(1)}, {1, {Condition::Test::kMissing, 0, {}}}};
  CHECK(good({set(0, "a", 1, 1, 2), moved}));
  CHECK_FALSE(good({set(0, "a", 1, 1, 2), moved, moved}));
  Operation looked = answered({}, kNothingChanged, {{.before = shown("a", 1)}}, 3, 4);
  looked.comparisons = {{0, of_version(7)}};
  looked.otherwise = {{.key = 0}};
  looked.succeeded = false;
  CHECK(good({set(0, "a", 1, 1, 2), looked}));
  looked.comparisons = {{0, of_version(1)}};
  CHECK_FALSE(good({set(0, "a", 1, 1, 2), looked}));
}

TEST_CASE("linearizability: what was answered is there after a crash") {
  CHECK(good_with_crash({set(0, "a", 1, 1, 2), get(0, shown("a", 1), 51, 52)}));
  CHECK_FALSE(good_with_crash({set(0, "a", 1, 1, 2), get(0, missing(), 51, 52)}));
  CHECK_FALSE(good_with_crash({set(0, "a", 1, 1, 2), get(0, missing(), 51, 52)}, true));
}

TEST_CASE("linearizability: a write of unknown outcome is there at the first look after a crash, or never") {
  const auto looks = [](Shown first, Shown second) {
    return good_with_crash(
        {set(0, "a", 1, 1, 2), unanswered(set(0, "b", 0, 3, 0)), get(0, first, 51, 52), get(0, second, 53, 54)});
  };
  CHECK(looks(shown("a", 1), shown("a", 1)));
  CHECK(looks(shown("b", 2), shown("b", 2)));
  CHECK_FALSE(looks(shown("a", 1), shown("b", 2)));
}

TEST_CASE("linearizability: a transaction that a crash has torn is bad") {
  const auto after = [](Shown first, Shown second) {
    return good_with_crash({set_both("a", 1, 1, 2), unanswered(set_both("b", 0, 3, 0)), look(first, second, 51, 52)});
  };
  CHECK(after(shown("a", 1), shown("a", 1)));
  CHECK(after(shown("b", 2), shown("b", 2)));
  CHECK_FALSE(after(shown("b", 2), shown("a", 1)));
  CHECK_FALSE(after(shown("a", 1), shown("b", 2)));
  CHECK_FALSE(after(shown("b", 2), shown("b", 3)));
}

TEST_CASE(
    "linearizability: what was shown before it was safe may go with a crash, where reads are allowed to show it") {
  const std::vector<Operation> gone{set(0, "a", 1, 1, 2), unanswered(set(0, "b", 0, 3, 0)), get(0, shown("b", 2), 4, 5),
                                    get(0, shown("a", 1), 51, 52)};
  CHECK(good_with_crash(gone, true));
  CHECK_FALSE(good_with_crash(gone, false));
  // Back again after the crash.
  std::vector<Operation> back = gone;
  back.push_back(get(0, shown("b", 2), 53, 54));
  CHECK_FALSE(good_with_crash(back, true));
}

TEST_CASE("linearizability: what a crash takes is the end of the log: nothing that was answered is behind it") {
  const Operation open = unanswered(set(0, "b", 0, 3, 0));
  // Another key was written later, and answered.
  CHECK_FALSE(good_with_crash(
      {set(0, "a", 1, 1, 2), open, get(0, shown("b", 2), 4, 5), set(1, "c", 3, 6, 7), get(0, shown("a", 1), 51, 52)},
      true));
  // An answered write was judged on what is gone.
  CHECK_FALSE(good_with_crash(
      {set(0, "a", 1, 1, 2), open, compare_and_set(0, of_value("b"), "c", 3, 4, 5), get(0, shown("a", 1), 51, 52)},
      true));
}

TEST_CASE("linearizability: a first attempt that was sent again after the crash and applied then is gone by then") {
  Operation attempt = unanswered(increment(0, 1, 0, 0, 3, 0));
  attempt.fate = Operation::Fate::kLost;
  const Operation again = increment(0, 1, 2, 9, 51, 52);
  CHECK(good_with_crash({set(0, "1", 1, 1, 2), attempt, again, get(0, shown("2", 9), 53, 54)}));
  CHECK(good_with_crash({set(0, "1", 1, 1, 2), attempt, get(0, shown("2", 2), 4, 5), again}, true));
  CHECK_FALSE(good_with_crash({set(0, "1", 1, 1, 2), attempt, get(0, shown("2", 2), 4, 5), again}));
  // Applied twice.
  CHECK_FALSE(good_with_crash({set(0, "1", 1, 1, 2), attempt, increment(0, 1, 3, 9, 51, 52)}, true));
}

TEST_CASE("linearizability: a search that reaches its bound gives up and says so") {
  History history{.keys = 2};
  for (Instant i = 1; i <= 10; ++i)
    history.operations.push_back(without_revision(set(0, std::to_string(i), 0, i, 100 + i)));
  history.operations.push_back(get(0, shown("99"), 50, 51));
  CHECK(check(history, 100).verdict == Verdict::kGaveUp);
  CHECK(check(history).verdict == Verdict::kNotLinearizable);
}

}  // namespace kv::linearizability
