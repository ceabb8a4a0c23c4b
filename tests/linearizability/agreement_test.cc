// The checker on random histories: those of a right server are good, with crashes among them; and on small ones, right
// and wrong, it agrees with trying every order, by rules that are written down a second time here.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/linearizability/checker.h"
#include "tests/linearizability/story.h"

namespace kv::linearizability {
namespace {

using Fate = Operation::Fate;
using Random = std::mt19937_64;

// ---- A second set of rules

struct Held {
  std::string value;
  Revision version = 0;
};
struct Plain {
  std::map<unsigned, Held> keys;
  std::map<unsigned, Revision> newest;
  std::set<Revision> told;  // of these somebody knows
};

bool plainly_holds(const Condition& condition, const Plain& state, unsigned key) {
  const auto found = state.keys.find(key);
  const bool there = found != state.keys.end();
  if (condition.test == Condition::Test::kVersion) return (there ? found->second.version : 0) == condition.version;
  if (condition.test == Condition::Test::kValue) return there && found->second.value == condition.value;
  return condition.test == Condition::Test::kNone || there == (condition.test == Condition::Test::kThere);
}

// Carries it out as `revision`, and fills in the answer. All values are numbers.
void plainly(Operation& operation, Revision revision, Plain& state) {
  operation.succeeded = std::all_of(operation.comparisons.begin(), operation.comparisons.end(),
                                    [&](const auto& each) { return plainly_holds(each.condition, state, each.key); });
  operation.results.clear();
  operation.revision = kNothingChanged;
  for (const Step& step : operation.succeeded ? operation.then : operation.otherwise) {
    const auto found = state.keys.find(step.key);
    const bool there = found != state.keys.end();
    StepAnswer answer;
    answer.before = there ? shown(found->second.value, found->second.version) : missing();
    const std::string old = there ? found->second.value : "";
    answer.applied = step.kind == Step::Kind::kGet || plainly_holds(step.condition, state, step.key);
    if (step.kind == Step::Kind::kDelete) answer.applied = answer.applied && there;
    std::string made = step.text;
    if (step.kind == Step::Kind::kIncrement)
      made = std::to_string(*(answer.number = (there ? std::stoll(old) : 0) + step.delta));
    if (step.kind == Step::Kind::kAppend) answer.number = static_cast<std::int64_t>((made = old + step.text).size());
    if (answer.applied && step.kind != Step::Kind::kGet) {
      operation.revision = revision;
      state.newest[step.key] = revision;
      if (step.kind == Step::Kind::kDelete) {
        state.keys.erase(step.key);
      } else {
        state.keys[step.key] = {made, revision};
      }
    }
    operation.results.push_back(answer);
  }
}

// ---- Random histories

Step random_step(Random& random, int number) {
  Step step{.kind = static_cast<Step::Kind>(random() % 5), .key = static_cast<unsigned>(random() % 2)};
  if (step.kind == Step::Kind::kSet) step.text = std::to_string(number);
  if (step.kind == Step::Kind::kAppend) step.text = std::to_string(7);
  step.delta = step.kind == Step::Kind::kIncrement ? 1 : 0;
  return step;
}

Condition random_condition(Random& random, const Plain& state, unsigned key) {
  const auto found = state.keys.find(key);
  const bool right = random() % 2 == 0;
  switch (random() % 3) {
    case 0:
      // Nobody compares with a revision that nobody was told.
      if (right && found != state.keys.end() && state.told.contains(found->second.version))
        return of_version(found->second.version);
      return of_version(random() % 2 == 0 ? 0 : 1'000'000);
    case 1:
      return of_value(right && found != state.keys.end() ? found->second.value : "1");
    default:
      return {random() % 2 == 0 ? Condition::Test::kThere : Condition::Test::kMissing, 0, {}};
  }
}

Operation random_operation(Random& random, int number, const Plain& state) {
  Operation operation;
  operation.then.push_back(random_step(random, number));
  Step& first = operation.then.front();
  const bool conditional = first.kind == Step::Kind::kSet || first.kind == Step::Kind::kDelete;
  if (conditional && random() % 2 == 0) first.condition = random_condition(random, state, first.key);
  if (random() % 3 == 0) {
    Step second = random_step(random, number);
    second.key = 1 - first.key;
    operation.then.push_back(second);
    if (random() % 2 == 0) operation.comparisons = {{second.key, random_condition(random, state, second.key)}};
    if (random() % 2 == 0) operation.otherwise = {random_step(random, number)};
  }
  return operation;
}

// What its answer tells.
void tell(const Operation& operation, Plain& state) {
  if (operation.fate != Fate::kAnswered) return;
  state.told.insert(operation.revision.value_or(0));
  for (const StepAnswer& answer : operation.results) state.told.insert(answer.before->version);
}

// As a right server would give it: each takes effect at an instant of its own, one in twenty is never answered.
History random_history(Random& random, int count) {
  History history{.keys = 2};
  Plain state;
  for (int i = 1; i <= count; ++i) {
    const Instant effect = static_cast<Instant>(i) * 1000;
    Operation operation = random_operation(random, i, state);
    operation.called = effect - 1 - random() % 4000 * (i > 4);
    operation.returned = effect + 1 + random() % 4000;
    operation.fate = Fate::kAnswered;
    plainly(operation, static_cast<Revision>(i), state);
    if (random() % 20 == 0) operation = unanswered(operation);
    if (random() % 20 == 0) operation = without_revision(operation);
    tell(operation, state);
    history.operations.push_back(operation);
  }
  return history;
}

// ---- Every order

bool by_hand(std::vector<Operation> left, const Plain& state, std::set<Revision> free) {
  bool done = true;
  Instant first_return = kNever;
  for (const Operation& operation : left) {
    if (operation.fate == Fate::kOpen) continue;
    done = false;
    first_return = std::min(first_return, operation.returned);
  }
  if (done) return true;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const Operation& asked = left[i];
    if (asked.called >= first_return) continue;
    std::vector<Operation> rest = left;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    std::vector<Revision> revisions(free.begin(), free.end());
    revisions.push_back(kUntold);  // one that nobody was shown
    if (asked.fate == Fate::kAnswered && asked.revision) revisions = {*asked.revision};
    for (const Revision revision : revisions) {
      Plain after = state;
      Operation is = asked;
      plainly(is, revision, after);
      bool fits = true;
      for (const auto& [key, newest] : after.newest) {
        const auto before = state.newest.find(key);
        const bool changed = before == state.newest.end() ? newest != 0 : before->second != newest;
        fits = fits && (!changed || before == state.newest.end() || newest > before->second);
        // One that nobody was shown says nothing of the order.
        if (newest == kUntold) after.newest[key] = before == state.newest.end() ? 0 : before->second;
      }
      if (asked.fate == Fate::kAnswered) {
        fits = fits && is.succeeded == asked.succeeded && (!asked.revision || is.revision == asked.revision);
        fits = fits && is.results.size() == asked.results.size();
        for (std::size_t step = 0; fits && step < is.results.size(); ++step) {
          const StepAnswer& a = is.results[step];
          const StepAnswer& b = asked.results[step];
          fits = a.applied == b.applied && a.number == b.number && a.before->there == b.before->there &&
                 a.before->value == b.before->value && a.before->version == b.before->version;
        }
      }
      std::set<Revision> free_after = free;
      if (is.revision != kNothingChanged) free_after.erase(revision);
      if (fits && by_hand(rest, after, free_after)) return true;
    }
  }
  return false;
}

bool each_revision_once(const History& history) {
  std::set<Revision> given;
  return std::all_of(history.operations.begin(), history.operations.end(), [&](const Operation& operation) {
    return operation.revision.value_or(kNothingChanged) == kNothingChanged || given.insert(*operation.revision).second;
  });
}

// The versions that were shown and are those of no answer.
std::set<Revision> free_revisions(const History& history) {
  std::set<Revision> free;
  for (const Operation& operation : history.operations) {
    for (const StepAnswer& answer : operation.results) {
      if (answer.before && answer.before->there) free.insert(answer.before->version);
    }
  }
  for (const Operation& operation : history.operations) {
    if (operation.fate == Fate::kAnswered) free.erase(operation.revision.value_or(0));
  }
  return free;
}

void spoil(Random& random, Operation& operation) {
  if (operation.results.empty()) return;
  StepAnswer& answer = operation.results[random() % operation.results.size()];
  switch (random() % 4) {
    case 0:
      answer.before = shown(std::to_string(random() % 8), random() % 8);
      break;
    case 1:
      answer.before = missing();
      break;
    case 2:
      if (answer.number) answer.number = *answer.number - 1;
      break;
    default:
      if (operation.revision.value_or(0) != 0) operation.revision = 1 + random() % 8;
  }
}

}  // namespace

TEST_CASE("linearizability: long histories of a right server are good, one wrong read in them is found") {
  Random random(7);
  std::size_t most = 0;
  for (int round = 0; round < 50; ++round) {
    History history = random_history(random, 300);
    const Judgement right = check(history);
    INFO("round " << round << "\n" << describe(history) << right.why);
    CHECK(right.verdict == Verdict::kLinearizable);
    most = std::max(most, right.situations);
    history.operations.push_back(get(0, shown("12345", 12345), 150'000, 150'001));
    CHECK(check(history).verdict == Verdict::kNotLinearizable);
  }
  INFO("the longest search looked at " << most << " situations");
  CHECK(most < kSituationsMax / 10);
}

TEST_CASE("linearizability: on small histories, right and wrong ones, it agrees with trying every order") {
  Random random(11);
  int wrong = 0;
  for (int round = 0; round < 4000; ++round) {
    History history = random_history(random, 6);
    spoil(random, history.operations[random() % history.operations.size()]);
    const bool expected = each_revision_once(history) && by_hand(history.operations, {}, free_revisions(history));
    wrong += !expected;
    const Judgement judgement = check(history);
    INFO("round " << round << "\n" << describe(history) << judgement.why);
    CHECK(judgement.verdict == (expected ? Verdict::kLinearizable : Verdict::kNotLinearizable));
  }
  CHECK(wrong > 400);
}

// Everything up to some revision is kept; what is behind it was not answered, but some of it was read.
TEST_CASE("linearizability: histories of a right server that shows more than a crash keeps are good") {
  Random random(13);
  int shown_and_lost = 0;
  for (int round = 0; round < 2000; ++round) {
    History history{.keys = 2, .crash = 100'000, .shows_what_is_lost = true};
    Plain state, kept;
    const int written = 20 + static_cast<int>(random() % 5);
    for (int i = 1; i <= 25; ++i) {
      const Instant effect = static_cast<Instant>(i) * 1000;
      Operation operation = random_operation(random, i, state);
      operation.called = effect - 1 - random() % 4000 * (i > 4);
      operation.returned = effect + 1 + random() % 4000;
      operation.fate = Fate::kAnswered;
      plainly(operation, static_cast<Revision>(i), state);
      const bool lost = i > written && operation.revision != kNothingChanged;
      if (i > written && !lost && random() % 2 == 0) ++shown_and_lost;
      if (lost) operation = unanswered(operation);
      tell(operation, state);
      history.operations.push_back(operation);
      if (i == written) kept = state;
    }
    for (unsigned key = 0; key < 2; ++key) {
      const auto found = kept.keys.find(key);
      const Shown found_then = found == kept.keys.end() ? missing() : shown(found->second.value, found->second.version);
      history.operations.push_back(get(key, found_then, 100'001 + key * 10, 100'002 + key * 10));
    }
    const Judgement judgement = check(history);
    INFO("round " << round << "\n" << describe(history) << judgement.why);
    CHECK(judgement.verdict == Verdict::kLinearizable);
  }
  CHECK(shown_and_lost > 100);
}

}  // namespace kv::linearizability
