// What clients did to a few keys at the same time, and what they were told: the question that checker.h answers.
//
// Every operation is written as a transaction: comparisons, the steps of both branches, and the answer. A call of one
// key is a transaction of one step.
//
// Hard part: answers that do not say everything. What was never answered may have happened or not. Under fsync NEVER
// and INTERVAL a read shows what is applied, so it may show a write that a kill then takes back, if that write was not
// answered. And an answer may leave out its revision (the old service) or its results (a retry).
//
// Threads: plain data. Units: instants of one counter.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace kv::linearizability {

using Instant = std::uint64_t;
inline constexpr Instant kNever = std::numeric_limits<Instant>::max();

using Revision = std::uint64_t;
inline constexpr Revision kNothingChanged = 0;
// Of an entry whose version was not told.
inline constexpr Revision kUntold = std::numeric_limits<Revision>::max();

inline constexpr unsigned kKeysMax = 4;  // that one history is about

// A key as an answer shows it.
struct Shown {
  bool there = false;
  std::string value = {};
  Revision version = 0;
};

struct Condition {
  enum class Test { kNone, kThere, kMissing, kVersion, kValue } test = Test::kNone;
  Revision version = 0;  // kVersion; 0: the key is missing
  std::string value = {};
};

struct Comparison {
  unsigned key = 0;
  Condition condition = {};
};

struct Step {
  enum class Kind { kGet, kSet, kDelete, kIncrement, kAppend } kind = Kind::kGet;
  unsigned key = 0;
  Condition condition = {};  // kSet, kDelete
  std::string text = {};     // kSet: the value; kAppend: what is added
  std::int64_t delta = 0;    // kIncrement; a missing key counts from 0
};

struct StepAnswer {
  bool applied = true;                      // kSet, kDelete: the key was changed
  std::optional<Shown> before = {};         // what the step found, where the answer says it
  std::optional<std::int64_t> number = {};  // kIncrement: the counter; kAppend: the length
};

struct Operation {
  unsigned client = 0;
  std::vector<Comparison> comparisons = {};
  std::vector<Step> then = {};
  std::vector<Step> otherwise = {};

  Instant called = 0;
  Instant returned = kNever;
  enum class Fate {
    kAnswered,
    kOpen,  // happened before the crash (or the end of the history), or never
    kLost,  // the same, but what it did has not survived the crash
  } fate = Fate::kOpen;

  // The answer.
  bool succeeded = true;                  // the comparisons held
  std::string refusal = {};               // the reason word of an operation that changed nothing; empty: none
  std::optional<Revision> revision = {};  // of the change, or kNothingChanged; nothing: not told
  std::vector<StepAnswer> results = {};   // of the branch's steps; empty: not told
};

struct History {
  unsigned keys = 1;
  std::array<Shown, kKeysMax> initial = {};  // before the first operation
  std::vector<Operation> operations = {};    // in any order
  // The server was killed here, with nothing under way before that is still under way after, and kept its data.
  std::optional<Instant> crash = {};
  // Reads before the crash may show what it takes back.
  bool shows_what_is_lost = false;
};

bool writes(const Operation& operation);
// Whether there is a key that both touch.
bool share_a_key(const Operation& one, const Operation& other);

std::string describe(const Operation& operation);
// One line an operation, in the order of their calls.
std::string describe(const History& history);

}  // namespace kv::linearizability
