// Workloads cut at their calls to the disk, one life for each call; then every legal loss of what was not synced
// (tests/support/legal_losses.h), each recovered and judged. ctest cuts at some calls, `storage_torture enumerate` at
// all.
//
// Hard part: threads make a life a few calls longer or shorter. So nobody trusts a count made beforehand: the cuts
// go on until a life ends before its cut, behind the end of the one that was not cut.
//
// Threads: one test thread. Errors: a state that may not be fails the Catch2 case.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tests/support/legal_losses.h"

namespace kv {

struct CrashPlan {
  std::uint64_t step = 1;  // every n-th call
  std::uint64_t seed = 1;  // of the random losses
  // Asked before each cut, which it is told; false ends the enumeration.
  std::function<bool(const std::string& piece)> go_on = [](const std::string&) { return true; };
};

struct CrashCounts {
  std::uint64_t calls = 0;  // of a life that is not cut
  std::uint64_t cuts = 0;   // lives that were
  LossCounts losses;

  CrashCounts& operator+=(const CrashCounts& more) {
    calls += more.calls;
    cuts += more.cuts;
    losses += more.losses;
    return *this;
  }
};

// The story of tests/persistence/storage_story.h, from an empty directory to a clean stop.
CrashCounts cut_storage(const CrashPlan& plan);
// The log alone, with rotations, under ALWAYS and under NEVER: what is acknowledged is there, and nothing is corrupt.
CrashCounts cut_journal(const CrashPlan& plan);
// A start that goes on without what is damaged (--accept-data-loss), in SNAPSHOT and in AOF: the next one with the same
// token gets the same state, and every damaged file is kept.
CrashCounts cut_accepted_start(const CrashPlan& plan);

}  // namespace kv
