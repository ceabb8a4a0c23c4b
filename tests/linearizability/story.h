// Verbs for handmade histories: each makes an operation and its answer. Two numbers at the end are call and return.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/linearizability/history.h"

namespace kv::linearizability {

inline Shown shown(std::string value, Revision version = kUntold) { return {true, std::move(value), version}; }
inline Shown missing() { return {}; }

inline Condition of_version(Revision version) { return {Condition::Test::kVersion, version, {}}; }
inline Condition of_value(std::string value) { return {Condition::Test::kValue, 0, std::move(value)}; }

inline Operation answered(std::vector<Step> steps, Revision revision, std::vector<StepAnswer> results, Instant called,
                          Instant returned) {
  return {.then = std::move(steps),
          .called = called,
          .returned = returned,
          .fate = Operation::Fate::kAnswered,
          .revision = revision,
          .results = std::move(results)};
}
inline Operation get(unsigned key, Shown found, Instant called, Instant returned) {
  return answered({{.key = key}}, kNothingChanged, {{.before = std::move(found)}}, called, returned);
}
inline Operation set(unsigned key, std::string value, Revision revision, Instant called, Instant returned) {
  return answered({{.kind = Step::Kind::kSet, .key = key, .text = std::move(value)}}, revision, {{}}, called, returned);
}
inline Operation compare_and_set(unsigned key, Condition condition, std::string value, Revision revision,
                                 Instant called, Instant returned) {
  return answered({{.kind = Step::Kind::kSet, .key = key, .condition = std::move(condition), .text = std::move(value)}},
                  revision, {{}}, called, returned);
}
inline Operation refused_set(unsigned key, Condition condition, Shown found, Instant called, Instant returned) {
  return answered({{.kind = Step::Kind::kSet, .key = key, .condition = std::move(condition), .text = "refused"}},
                  kNothingChanged, {{.applied = false, .before = std::move(found)}}, called, returned);
}
inline Operation erase(unsigned key, Revision revision, Instant called, Instant returned) {
  return answered({{.kind = Step::Kind::kDelete, .key = key}}, revision, {{.applied = revision != kNothingChanged}},
                  called, returned);
}
inline Operation increment(unsigned key, std::int64_t delta, std::int64_t counter, Revision revision, Instant called,
                           Instant returned) {
  return answered({{.kind = Step::Kind::kIncrement, .key = key, .delta = delta}}, revision, {{.number = counter}},
                  called, returned);
}
inline Operation append(unsigned key, std::string suffix, std::int64_t length, Revision revision, Instant called,
                        Instant returned) {
  return answered({{.kind = Step::Kind::kAppend, .key = key, .text = std::move(suffix)}}, revision,
                  {{.number = length}}, called, returned);
}
// Sets keys 0 and 1.
inline Operation set_both(const std::string& value, Revision revision, Instant called, Instant returned) {
  return answered(
      {{.kind = Step::Kind::kSet, .key = 0, .text = value}, {.kind = Step::Kind::kSet, .key = 1, .text = value}},
      revision, {{}, {}}, called, returned);
}
inline Operation look(Shown first, Shown second, Instant called, Instant returned) {
  return answered({{.key = 0}, {.key = 1}}, kNothingChanged,
                  {{.before = std::move(first)}, {.before = std::move(second)}}, called, returned);
}

// The same, but nobody was told: neither a result nor a revision.
inline Operation unanswered(Operation operation) {
  operation.fate = Operation::Fate::kOpen;
  operation.returned = kNever;
  operation.revision.reset();
  operation.results.clear();
  return operation;
}
// Its answer tells no revision, as those of the old service.
inline Operation without_revision(Operation operation) {
  operation.revision.reset();
  return operation;
}

}  // namespace kv::linearizability
