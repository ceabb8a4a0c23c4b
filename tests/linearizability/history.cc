#include "tests/linearizability/history.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace kv::linearizability {
namespace {

unsigned keys_of(const Operation& operation) {
  unsigned keys = 0;
  for (const Comparison& comparison : operation.comparisons) keys |= 1u << comparison.key;
  for (const std::vector<Step>* branch : {&operation.then, &operation.otherwise}) {
    for (const Step& step : *branch) keys |= 1u << step.key;
  }
  return keys;
}

std::string text_of(const Condition& condition) {
  switch (condition.test) {
    case Condition::Test::kNone:
      return {};
    case Condition::Test::kThere:
      return " if there";
    case Condition::Test::kMissing:
      return " if missing";
    case Condition::Test::kVersion:
      return fmt::format(" if of {}", condition.version);
    case Condition::Test::kValue:
      return " if " + condition.value;
  }
  return {};
}

std::string text_of(const Step& step) {
  static constexpr const char* kWords[] = {"get", "set", "delete", "increment", "append"};
  std::string text = fmt::format("{} k{}", kWords[static_cast<int>(step.kind)], step.key);
  if (!step.text.empty()) text += " " + step.text;
  if (step.kind == Step::Kind::kIncrement) text += fmt::format(" by {}", step.delta);
  return text + text_of(step.condition);
}

std::string text_of(const Shown& shown) {
  if (!shown.there) return "missing";
  return shown.version == kUntold ? shown.value : fmt::format("{} of {}", shown.value, shown.version);
}

std::string text_of(const StepAnswer& answer) {
  std::string text = answer.applied ? "done" : "not";
  if (answer.before) text += ", it was " + text_of(*answer.before);
  if (answer.number) text += fmt::format(", now {}", *answer.number);
  return text;
}

std::string text_of_answer(const Operation& operation) {
  if (operation.fate == Operation::Fate::kOpen) return "never answered";
  if (operation.fate == Operation::Fate::kLost) return "never answered, not there after the crash";
  if (!operation.refusal.empty()) return operation.refusal;
  std::vector<std::string> results;
  for (const StepAnswer& answer : operation.results) results.push_back(text_of(answer));
  std::string text = fmt::format("{}", fmt::join(results, "; "));
  if (!operation.comparisons.empty()) text = (operation.succeeded ? "then: " : "else: ") + text;
  if (operation.revision.value_or(0) != 0) text += fmt::format(" [revision {}]", *operation.revision);
  return text;
}

template <class Parts>
std::string joined(const Parts& parts) {
  std::vector<std::string> texts;
  for (const auto& part : parts) texts.push_back(text_of(part));
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace

bool writes(const Operation& operation) {
  const auto any = [](const std::vector<Step>& steps) {
    return std::any_of(steps.begin(), steps.end(), [](const Step& step) { return step.kind != Step::Kind::kGet; });
  };
  return any(operation.then) || any(operation.otherwise);
}

bool share_a_key(const Operation& one, const Operation& other) { return (keys_of(one) & keys_of(other)) != 0; }

std::string describe(const Operation& operation) {
  std::string text =
      fmt::format("{:>7}..{:<7} client {}: ", operation.called,
                  operation.returned == kNever ? "" : fmt::format("{}", operation.returned), operation.client);
  for (const Comparison& comparison : operation.comparisons) {
    text += fmt::format("k{}{}, ", comparison.key, text_of(comparison.condition));
  }
  text += joined(operation.then);
  if (!operation.otherwise.empty()) text += ", else " + joined(operation.otherwise);
  return text + " -> " + text_of_answer(operation);
}

std::string describe(const History& history) {
  std::string text;
  for (unsigned key = 0; key < history.keys; ++key)
    text += fmt::format("  at first k{} is {}\n", key, text_of(history.initial[key]));
  std::vector<Operation> sorted = history.operations;
  std::sort(sorted.begin(), sorted.end(), [](const Operation& a, const Operation& b) { return a.called < b.called; });
  bool crashed = !history.crash;
  for (const Operation& operation : sorted) {
    if (!crashed && operation.called > *history.crash) {
      text += fmt::format("{:>9} the crash\n", *history.crash);
      crashed = true;
    }
    text += "  " + describe(operation) + "\n";
  }
  return text;
}

}  // namespace kv::linearizability
