// What the histories of a run were made of. A history in which nothing overlapped, or in which no condition failed,
// proves nothing: missing() says what there was too little of.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/linearizability/history.h"

namespace kv::linearizability {

struct Coverage {
  std::uint64_t operations = 0;
  std::uint64_t overlapping = 0;  // another on one of its keys was called, but not answered, at the moment of its call
  std::uint64_t open = 0;
  std::uint64_t reads = 0;
  std::uint64_t compared_applied = 0;  // sets and deletes of one key with a condition
  std::uint64_t compared_refused = 0;
  std::uint64_t increments = 0;
  std::uint64_t appends = 0;
  std::uint64_t transactions = 0;   // that change, of several keys
  std::uint64_t branches_then = 0;  // of those that compare
  std::uint64_t branches_else = 0;

  void add(const History& history);
  // Empty when there was enough of everything.
  std::string missing() const;
  std::vector<std::pair<std::string, std::uint64_t>> counts() const;

 private:
  void add(const Operation& operation);
};

}  // namespace kv::linearizability
