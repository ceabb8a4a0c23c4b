#include "tests/linearizability/coverage.h"

#include <algorithm>

#include <fmt/format.h>

namespace kv::linearizability {
namespace {

constexpr std::uint64_t kOverlapPercent = 30;
constexpr std::uint64_t kKindPercent = 5;  // of operations
constexpr std::uint64_t kSidePercent = 5;  // of those that compare, each outcome

bool was_under_way(const Operation& other, Instant at) {
  return other.called < at && other.returned > at && other.returned != kNever;
}

}  // namespace

void Coverage::add(const History& history) {
  for (const Operation& one : history.operations) {
    add(one);
    overlapping += std::any_of(history.operations.begin(), history.operations.end(), [&](const Operation& other) {
      return was_under_way(other, one.called) && share_a_key(one, other);
    });
  }
}

void Coverage::add(const Operation& operation) {
  ++operations;
  if (operation.fate != Operation::Fate::kAnswered) {
    ++open;
    return;
  }
  if (!writes(operation)) {
    ++reads;
    return;
  }
  if (!operation.comparisons.empty()) ++(operation.succeeded ? branches_then : branches_else);
  if (operation.then.size() > 1) {
    ++transactions;
    return;
  }
  const Step& step = operation.then.front();
  increments += step.kind == Step::Kind::kIncrement;
  appends += step.kind == Step::Kind::kAppend;
  if (step.condition.test == Condition::Test::kNone || operation.results.empty()) return;
  ++(operation.results.front().applied ? compared_applied : compared_refused);
}

std::string Coverage::missing() const {
  const auto too_few = [](std::uint64_t part, std::uint64_t whole, std::uint64_t percent) {
    return part * 100 < whole * percent;
  };
  if (too_few(overlapping, operations, kOverlapPercent))
    return fmt::format("{} of {} operations overlapped: fewer than {} %", overlapping, operations, kOverlapPercent);
  for (const auto& [part, what] :
       {std::pair(reads, "reads"), std::pair(increments, "increments"), std::pair(appends, "appends"),
        std::pair(transactions, "transactions"), std::pair(compared_applied + compared_refused, "compare and set")}) {
    if (too_few(part, operations, kKindPercent))
      return fmt::format("{} of {} operations were {}: fewer than {} %", part, operations, what, kKindPercent);
  }
  const std::uint64_t compared = compared_applied + compared_refused;
  const std::uint64_t branches = branches_then + branches_else;
  if (too_few(std::min(compared_applied, compared_refused), compared, kSidePercent))
    return fmt::format("of {} that compared and set {} were applied", compared, compared_applied);
  if (branches == 0 || too_few(std::min(branches_then, branches_else), branches, kSidePercent))
    return fmt::format("of {} transactions that compared {} found it so", branches, branches_then);
  return {};
}

std::vector<std::pair<std::string, std::uint64_t>> Coverage::counts() const {
  return {{"operations", operations},
          {"overlapping", overlapping},
          {"open", open},
          {"compared_applied", compared_applied},
          {"compared_refused", compared_refused},
          {"increments", increments},
          {"appends", appends},
          {"transactions", transactions},
          {"branches_then", branches_then},
          {"branches_else", branches_else}};
}

}  // namespace kv::linearizability
