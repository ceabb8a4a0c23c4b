#include "tests/crash/history.h"

#include <algorithm>

#include <fmt/format.h>

namespace kv::crash {
namespace {

std::string describe(const std::optional<WriteId>& set) {
  return set ? fmt::format("write {} of writer {}", set->counter, set->writer) : "no value";
}

}  // namespace

History::Intent History::begin(std::string_view key, std::optional<WriteId> set) {
  std::lock_guard lock(mutex_);
  auto found = attempts_.find(key);
  if (found == attempts_.end()) {
    found = attempts_.emplace(key, std::vector<Attempt>{{.set = std::nullopt, .begin = 0, .end = 0}}).first;
  }
  found->second.push_back({.set = set, .begin = ++now_});
  return {std::string(key), found->second.size() - 1};
}

void History::acknowledge(const Intent& intent) {
  std::lock_guard lock(mutex_);
  attempts_.at(intent.key).at(intent.index).end = ++now_;
}

bool History::overruled(const std::vector<Attempt>& attempts, const Attempt& candidate) {
  return std::any_of(attempts.begin(), attempts.end(),
                     [&](const Attempt& other) { return other.end != kOpen && other.begin > candidate.end; });
}

std::string History::settle(const std::string& key, std::optional<WriteId> found) {
  std::lock_guard lock(mutex_);
  auto& attempts = attempts_[key];
  if (attempts.empty()) attempts.push_back({.set = std::nullopt, .begin = 0, .end = 0});
  std::string problem = fmt::format("{} shows {}, which nobody wrote to it since the last check", key, describe(found));
  for (const Attempt& attempt : attempts) {
    if (attempt.set != found) continue;
    if (!overruled(attempts, attempt)) {
      problem.clear();
      break;
    }
    problem = fmt::format("{} shows {}, although a later write was acknowledged", key, describe(found));
  }
  if (!problem.empty()) {
    for (const Attempt& attempt : attempts) {
      problem += fmt::format("\n    {} {}..{}", describe(attempt.set), attempt.begin,
                             attempt.end == kOpen ? "open" : fmt::format("{}", attempt.end));
    }
  }
  const std::uint64_t now = ++now_;
  attempts = {{.set = found, .begin = now, .end = now}};
  return problem;
}

std::vector<std::string> History::keys() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> keys;
  for (const auto& [key, attempts] : attempts_) keys.push_back(key);
  return keys;
}

}  // namespace kv::crash
