// The keys that the Tab key offers: a few that begin as typed, asked for only when Tab asks.
//
// Hard part: the server walks all its keys for it. So a lookup has a short timeout, is made at most twice a second, and
// its answer is used again while the person types on: keys that begin with "user:1" are among those with "user:".
//
// Threads: one.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace kv {

class KeyFinder {
 public:
  // `look` gives up to `limit` keys that begin with the prefix, or nothing when that could not be found out.
  using Look = std::function<std::optional<std::vector<std::string>>(const std::string& prefix, std::size_t limit)>;
  using Now = std::function<std::chrono::steady_clock::time_point()>;
  explicit KeyFinder(Look look, Now now = std::chrono::steady_clock::now)
      : look_(std::move(look)), now_(std::move(now)) {}

  // Sorted. Empty also when it was asked too often, or there are too many to show.
  std::vector<std::string> find(const std::string& prefix);

 private:
  bool knows(const std::string& prefix) const;

  const Look look_;
  const Now now_;
  std::optional<std::string> prefix_;  // Of the last lookup.
  std::vector<std::string> keys_;
  bool whole_ = false;  // Every key with that prefix is in keys_.
  std::chrono::steady_clock::time_point looked_{};
};

}  // namespace kv
