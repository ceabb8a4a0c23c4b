// Is there an order of these operations on one key in which each takes effect at one instant between its call and its
// return, and every answer is right? Wing and Gong's search with Lowe's memory of what was tried.
//
// Hard part: unknown outcomes. An operation that never returned may take effect at any time after its call, or never.
// For a write the second is the same as taking effect after everything else; a read that never returned says nothing.
// The search may be long, so it has a bound, and reaching the bound is a verdict of its own: never "linearizable".
//
// A map is linearizable when each of its keys is (Herlihy and Wing: locality), so keys are checked one by one.
//
// Threads: free functions.
// Source:  Wing and Gong 1993, "Testing and verifying concurrent objects"; Lowe 2017, "Testing for linearizability".
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace kv::linearizability {

// Which write left what a key shows; every write has a number of its own from 1 on.
using Value = std::uint64_t;
inline constexpr Value kMissing = 0;

// Instants of one counter; no two events share one.
using Instant = std::uint64_t;
inline constexpr Instant kNever = std::numeric_limits<Instant>::max();

struct Operation {
  enum class Kind { kGet, kSet, kDelete } kind = Kind::kGet;
  Value value = kMissing;  // kGet: what was shown; kSet: what was written; kDelete: 1 when it said that the key existed
  Instant called = 0;
  Instant returned = kNever;  // kNever: the outcome is unknown
};

enum class Verdict { kLinearizable, kNotLinearizable, kGaveUp };

inline constexpr std::size_t kSearchMax = 2'000'000;

// All operations on one key, in any order. `initial`: what the key showed before the first. `search_max` bounds how
// many different situations are looked at.
Verdict check(std::span<const Operation> operations, Value initial, std::size_t search_max = kSearchMax);

// One line an operation, in the order of their calls.
std::string describe(std::span<const Operation> operations);

}  // namespace kv::linearizability
