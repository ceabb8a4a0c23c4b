// Reads everything a server holds, in every way there is, and asks the History whether it is right.
//
// Threads: one. Errors: a call that fails is a finding like any other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/crash/history.h"

namespace kv::crash {

struct Check {
  std::uint64_t keys_present = 0;
  std::uint64_t digest = 0;  // of all entries, as store/digest.h has it
  std::vector<std::string> findings;
};

// What the mode that was killed owes: everything, the state at one cut, or nothing (docs/durability.md).
struct Owed {
  enum class What { kEverything, kOneCut, kNothing };
  What what = What::kEverything;
  std::uint64_t cut = 0;
  // Where the state must be the exact one at their last, over all keys (prefix.h).
  std::optional<Numbers> numbers = std::nullopt;
};

// Get of every key that the history knows; a Scan, which must show exactly the same entries; and Keys, which must list
// them.
Check check_everything(const std::string& target, History& history, Owed owed = {});

// The digest of a Scan alone.
Check read_digest(const std::string& target);

}  // namespace kv::crash
