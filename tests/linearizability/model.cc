#include "tests/linearizability/model.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace kv::linearizability {
namespace {

// Exactly as counting writes it.
std::optional<std::int64_t> integer_in(const std::string& text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [at, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc() || at != end || std::to_string(number) != text) return std::nullopt;
  return number;
}

}  // namespace

// The keys while an operation is carried out.
struct Model::Work {
  Cells cells;
  unsigned touched = 0;
  unsigned changed = 0;
  Revision revision = 0;
  bool in_order = true;  // of the revisions of each key

  void change(unsigned key, std::uint32_t text) {
    Cell& cell = cells[key];
    const bool first = (changed & 1u << key) == 0;
    changed |= 1u << key;
    cell.text = text;
    cell.unseen = revision == kUnseen;
    if (cell.unseen) return;
    if (first && revision <= cell.newest) in_order = false;
    cell.newest = revision;
  }
};

State Model::initial(const History& history) {
  State state;
  for (unsigned key = 0; key < history.keys; ++key) {
    const Shown& shown = history.initial[key];
    if (!shown.there) continue;
    const bool told = shown.version != kUntold;
    state.shown[key] = {.text = number_of(shown.value), .unseen = !told, .newest = told ? shown.version : 0};
  }
  state.kept = state.shown;
  return state;
}

std::uint32_t Model::number_of(const std::string& text) {
  const auto [found, is_new] = numbers_.try_emplace(text, static_cast<std::uint32_t>(texts_.size()));
  if (is_new) texts_.push_back(text);
  return found->second;
}

bool Model::shows(const Cell& cell, const Shown& shown) const {
  if (!shown.there || cell.text == 0) return shown.there == (cell.text != 0);
  if (text_of(cell) != shown.value) return false;
  return shown.version == kUntold || (!cell.unseen && cell.newest == shown.version);
}

std::string Model::describe(const Cell& cell) const {
  const std::string value = cell.text == 0 ? "missing" : text_of(cell);
  return cell.unseen ? value + " of an unknown revision" : fmt::format("{} of {}", value, cell.newest);
}

bool Model::holds(const Condition& condition, const Cell& cell) const {
  const bool there = cell.text != 0;
  switch (condition.test) {
    case Condition::Test::kNone:
      return true;
    case Condition::Test::kThere:
      return there;
    case Condition::Test::kMissing:
      return !there;
    case Condition::Test::kVersion:
      if (condition.version == 0) return !there;
      return there && !cell.unseen && cell.newest == condition.version;
    case Condition::Test::kValue:
      return there && text_of(cell) == condition.value;
  }
  return false;
}

const char* Model::carry_out(const Step& step, Work& work, StepAnswer& answer) {
  const Cell cell = work.cells[step.key];
  const std::string before = text_of(cell);
  switch (step.kind) {
    case Step::Kind::kGet:
      return nullptr;
    case Step::Kind::kSet:
      answer.applied = holds(step.condition, cell);
      if (answer.applied) work.change(step.key, number_of(step.text));
      return nullptr;
    case Step::Kind::kDelete:
      answer.applied = cell.text != 0 && holds(step.condition, cell);
      if (answer.applied) work.change(step.key, 0);
      return nullptr;
    case Step::Kind::kAppend:
      work.change(step.key, number_of(before + step.text));
      answer.number = static_cast<std::int64_t>(before.size() + step.text.size());
      return nullptr;
    case Step::Kind::kIncrement:
      break;
  }
  std::int64_t sum = 0;
  const std::optional<std::int64_t> from = cell.text == 0 ? 0 : integer_in(before);
  if (!from) return "NOT_AN_INTEGER";
  if (__builtin_add_overflow(*from, step.delta, &sum)) return "INCREMENT_OVERFLOW";
  work.change(step.key, number_of(std::to_string(sum)));
  answer.number = sum;
  return nullptr;
}

bool Model::take_effect(const Operation& operation, const Effect& effect, State& state) {
  const bool answered = operation.fate == Operation::Fate::kAnswered;
  Work work{.cells = state.shown, .revision = effect.revision};
  bool succeeded = true;
  for (const Comparison& comparison : operation.comparisons) {
    work.touched |= 1u << comparison.key;
    succeeded = holds(comparison.condition, work.cells[comparison.key]) && succeeded;
  }
  const std::vector<Step>& steps = succeeded ? operation.then : operation.otherwise;
  const bool told = answered && operation.refusal.empty() && !operation.results.empty();
  if (answered && operation.refusal.empty() && succeeded != operation.succeeded) return false;
  if (told && operation.results.size() != steps.size()) return false;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    work.touched |= 1u << steps[i].key;
    const Cell before = work.cells[steps[i].key];
    StepAnswer should;
    if (const char* refusal = carry_out(steps[i], work, should); refusal != nullptr)
      return answered && operation.refusal == refusal;
    if (!told) continue;
    const StepAnswer& is = operation.results[i];
    if (is.applied != should.applied || (is.before && !shows(before, *is.before))) return false;
    if (is.number && is.number != should.number) return false;
  }
  const bool changes = work.changed != 0;
  if (answered && !operation.refusal.empty()) return false;
  if (!answered && !changes) return false;
  if (!changes) return !operation.revision || *operation.revision == kNothingChanged;
  if (effect.revision == kNothingChanged || !work.in_order) return false;

  for (unsigned key = 0; key < kKeysMax; ++key) {
    const unsigned bit = 1u << key;
    // What is kept was judged on what is kept: the log holds it behind what it has seen.
    if (!effect.lost && (work.touched & bit) != 0 && state.shown[key] != state.kept[key]) return false;
  }
  for (unsigned key = 0; key < kKeysMax; ++key) {
    if ((work.changed & 1u << key) == 0) continue;
    state.shown[key] = work.cells[key];
    if (!effect.lost) state.kept[key] = work.cells[key];
  }
  return true;
}

}  // namespace kv::linearizability
