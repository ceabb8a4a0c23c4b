// Reads everything a server holds and asks the History whether it is right.
//
// Threads: one. Errors: a call that fails is a finding like any other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/crash/history.h"

namespace kv::crash {

struct Check {
  std::uint64_t keys_present = 0;
  std::vector<std::string> findings;
};

// What the mode that was killed owes: everything, the state at one cut, or nothing (docs/durability.md).
struct Owed {
  enum class What { kEverything, kOneCut, kNothing };
  What what = What::kEverything;
  std::uint64_t cut = 0;
};

// Get of every key that the history knows; and Keys, which must list exactly those that are there.
Check check_everything(const std::string& target, History& history, Owed owed = {});

}  // namespace kv::crash
