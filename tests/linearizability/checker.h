// Is there an order of the operations of a history in which each takes effect at one instant between its call and its
// return, and every answer is right? Wing and Gong's search with Lowe's memory of what was tried.
//
// Hard part: operations on several keys at once, so keys cannot be looked at one by one (Herlihy and Wing's locality
// holds for objects, and the object that a transaction is about is the whole map): all keys of a history are searched
// together. What keeps that short are the revisions that answers tell (model.h).
//
// An operation that was never answered takes effect between its call and the crash, or never; its revision is one that
// somebody was shown and that belongs to no answer, or one that nobody was shown. Where reads may show what a crash
// takes back, each of these is tried in two ways: it is kept, or it is lost. What is lost is newer than everything that
// was answered, and nothing that is kept was judged on it: the log keeps a prefix.
//
// The search has a bound on situations, and with it on memory (about 250 bytes each) and time. Reaching it is a verdict
// of its own: never "linearizable".
//
// Threads: free functions.
// Source:  Wing and Gong 1993, "Testing and verifying concurrent objects"; Lowe 2017, "Testing for linearizability".
#pragma once

#include <cstddef>
#include <string>

#include "tests/linearizability/history.h"

namespace kv::linearizability {

enum class Verdict { kLinearizable, kNotLinearizable, kGaveUp };

struct Judgement {
  Verdict verdict = Verdict::kLinearizable;
  std::size_t situations = 0;  // that were looked at
  std::string why = {};        // how far the best order came, and what does not fit behind it
};

inline constexpr std::size_t kSituationsMax = 400'000;

Judgement check(const History& history, std::size_t situations_max = kSituationsMax);

}  // namespace kv::linearizability
