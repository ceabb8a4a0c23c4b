// Is what a server shows after a crash the exact state at one revision?
//
// Every record (a change, or the two of a transaction) has a revision of its own and none between them is left out, so
// a state that claims to be that of revision `last` has all of them: each number from the first one that the dead
// server gave to `last` is that of a write which was acknowledged with it, or of one that was left open. Nothing above
// `last` shows, nothing below is missing: a write that was lost in the middle leaves a number that nobody can have been
// given. Of a transaction both keys are as it left them, or neither is.
//
// Hard part: an open write may have got any number that no other write has, above those of all writes that had ended
// before it began, or none. What shows names its own number (its version); for what does not show (it was overwritten,
// or is a delete) every choice is tried: the numbers are fitted when one choice gives exactly the state that is shown,
// in which each write found what it said to have found. Few writes are open at a crash, and the search has a bound;
// giving up is a finding.
//
// Threads: values and a free function.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/crash/value.h"

namespace kv::crash {

inline constexpr std::uint64_t kNeverEnded = std::numeric_limits<std::uint64_t>::max();

// A write since the last look at everything.
struct Change {
  std::string key;
  std::optional<WriteId> set;  // nothing: a delete
  std::uint64_t begin = 0;     // in the order of events, and so is `end`
  std::uint64_t end = kNeverEnded;
  std::uint64_t revision = 0;  // 0: not known, or it changed nothing
  std::uint64_t record = 0;    // not 0: of a transaction of two keys, which has this number in both of its changes
};

struct Shown {
  WriteId write;
  std::uint64_t version = 0;  // 0: not known
  friend bool operator==(const Shown&, const Shown&) = default;
};
// The keys that are there.
using ShownState = std::map<std::string, Shown>;

// The revisions that a dead server gave, as far as the state that is left says that it has them. None when `last` is
// below `first`.
struct Numbers {
  std::uint64_t first = 1;
  std::uint64_t last = 0;
};

struct PrefixQuestion {
  ShownState before;  // when the dead server began
  std::vector<Change> changes;
  ShownState now;
  Numbers numbers;
};

// What is wrong, or an empty text.
std::string judge_prefix(const PrefixQuestion& question);

}  // namespace kv::crash
