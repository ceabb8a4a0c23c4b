// What a right server makes of one operation: a map of a few keys, and one rule for each step.
//
// Hard part: revisions. The order in which changes of a key took effect is the order of their revisions, so a change
// with a smaller one than the key has seen is refused; that prunes the search and is a promise of its own. The revision
// of a change whose answer is missing is the caller's guess: one that somebody was shown, or kUnseen.
//
// Threads: one. Lifetime: by itself.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/linearizability/history.h"

namespace kv::linearizability {

// The revision of a change that nobody was shown.
inline constexpr Revision kUnseen = kUntold - 1;

// A key. `text` is a number for its value, 0 when it is missing.
struct Cell {
  std::uint32_t text = 0;
  bool unseen = false;  // the last change is one that nobody was shown
  Revision newest = 0;  // the last change that has a revision
  friend bool operator==(const Cell&, const Cell&) = default;
};

using Cells = std::array<Cell, kKeysMax>;

// A change that the crash takes back is in `shown` and not in `kept`.
struct State {
  Cells shown;
  Cells kept;
  friend bool operator==(const State&, const State&) = default;
};

class Model {
 public:
  State initial(const History& history);

  // How an operation takes effect. kLost: until the crash.
  struct Effect {
    Revision revision = kNothingChanged;
    bool lost = false;
  };
  // False when it cannot take effect here: its answer would have been another, or it would change nothing and nobody
  // was told. `state` is spoilt then.
  bool take_effect(const Operation& operation, const Effect& effect, State& state);

  // Whether the key shows this value as of this version.
  bool shows(const Cell& cell, const Shown& shown) const;
  std::string describe(const Cell& cell) const;

 private:
  struct Work;
  bool holds(const Condition& condition, const Cell& cell) const;
  // Carries out a step; gives the reason word of a refusal.
  const char* carry_out(const Step& step, Work& work, StepAnswer& answer);
  std::uint32_t number_of(const std::string& text);
  const std::string& text_of(const Cell& cell) const { return texts_[cell.text]; }

  std::vector<std::string> texts_{""};
  std::unordered_map<std::string, std::uint32_t> numbers_;
};

}  // namespace kv::linearizability
