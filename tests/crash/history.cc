#include "tests/crash/history.h"

#include <algorithm>

#include <fmt/format.h>

namespace kv::crash {
namespace {

std::string describe(const std::optional<WriteId>& set) {
  return set ? fmt::format("write {} of writer {}", set->counter, set->writer) : "no value";
}

}  // namespace

History::Intent History::note_begin(std::string_view key, const Attempt& attempt) {
  auto found = attempts_.find(key);
  if (found == attempts_.end()) {
    found = attempts_.emplace(key, std::vector<Attempt>{{.set = std::nullopt, .begin = 0, .end = 0}}).first;
  }
  found->second.push_back(attempt);
  return {std::string(key), found->second.size() - 1};
}

History::Intent History::begin(std::string_view key, std::optional<WriteId> set) {
  std::lock_guard lock(mutex_);
  return note_begin(key, {.set = set, .begin = ++now_});
}

std::pair<History::Intent, History::Intent> History::begin_pair(std::string_view first, std::string_view second,
                                                                WriteId id) {
  std::lock_guard lock(mutex_);
  const std::uint64_t record = ++records_, now = ++now_;
  return {note_begin(first, {.set = id, .begin = now, .record = record}),
          note_begin(second, {.set = id, .begin = now, .record = record, .counts = false})};
}

std::string History::acknowledge(const Intent& intent, std::uint64_t revision) {
  std::lock_guard lock(mutex_);
  return note_answer(intent, revision);
}

std::string History::acknowledge(const std::pair<Intent, Intent>& both, std::uint64_t revision) {
  std::lock_guard lock(mutex_);
  const std::string wrong = note_answer(both.first, revision);
  return wrong.empty() ? note_answer(both.second, revision) : wrong;
}

std::string History::note_answer(const Intent& intent, std::uint64_t revision) {
  Attempt& attempt = attempts_.at(intent.key).at(intent.index);
  if (revision > 0) answered_highest_ = std::max(answered_highest_, revision);
  if (disk_dies_) {
    if (revision == 0) return {};
    attempt.revision = revision;  // It stays open, but if it is there, then with this number.
    if (attempt.counts) answered_dying_.push_back(revision);
    if (attempt.begin < disk_dead_since_) return {};
    return fmt::format("{} was acknowledged from a dead disk, with revision {}", intent.key, revision);
  }
  attempt.end = ++now_;
  attempt.revision = revision;
  attempt.answered = std::chrono::steady_clock::now();
  if (revision == 0 || !attempt.counts) return {};
  if (revision <= floor_) {
    return fmt::format("{} was given revision {}, although {} was seen before the crash", intent.key, revision, floor_);
  }
  if (!revisions_.insert(revision).second) {
    return fmt::format("{} was given revision {}, which another write has", intent.key, revision);
  }
  return {};
}

bool History::overruled(const std::vector<Attempt>& attempts, const Attempt& candidate) {
  return std::any_of(attempts.begin(), attempts.end(), [&](const Attempt& other) {
    if (other.end == kOpen) return false;
    if (other.revision != 0 && candidate.revision != 0) return other.revision > candidate.revision;
    return other.begin > candidate.end;
  });
}

std::vector<History::Attempt>& History::attempts_of(const std::string& key) {
  auto& attempts = attempts_[key];
  if (attempts.empty()) attempts.push_back({.set = std::nullopt, .begin = 0, .end = 0});
  return attempts;
}

std::string History::conclude(const std::string& key, std::vector<Attempt>& attempts, std::optional<WriteId> found,
                              std::string problem) {
  if (!problem.empty()) {
    problem = fmt::format("{} shows {}, {}", key, describe(found), problem);
    for (const Attempt& attempt : attempts) {
      problem += fmt::format("\n    {} {}..{} revision {}", describe(attempt.set), attempt.begin,
                             attempt.end == kOpen ? "open" : fmt::format("{}", attempt.end), attempt.revision);
    }
  }
  const std::uint64_t now = ++now_;
  attempts = {{.set = found, .begin = now, .end = now}};
  return problem;
}

std::string History::settle(const std::string& key, std::optional<WriteId> found) {
  std::lock_guard lock(mutex_);
  auto& attempts = attempts_of(key);
  std::string problem = "which nobody wrote to it since the last check";
  for (const Attempt& attempt : attempts) {
    if (attempt.set != found) continue;
    problem = overruled(attempts, attempt) ? "although a later write was acknowledged" : "";
    if (problem.empty()) break;
  }
  return conclude(key, attempts, found, std::move(problem));
}

std::string History::settle_at_cut(const std::string& key, std::optional<WriteId> found, std::uint64_t cut) {
  std::lock_guard lock(mutex_);
  auto& attempts = attempts_of(key);
  const Attempt* newest = &attempts.front();
  bool open = false;
  for (const Attempt& attempt : attempts) {
    if (attempt.end == kOpen && attempt.set == found) open = true;
    if (attempt.end != kOpen && attempt.revision <= cut && attempt.revision > newest->revision) newest = &attempt;
  }
  std::string problem;
  if (!open && newest->set != found) problem = fmt::format("at revision {} it was {}", cut, describe(newest->set));
  return conclude(key, attempts, found, std::move(problem));
}

std::string History::settle_empty(const std::string& key, std::optional<WriteId> found) {
  std::lock_guard lock(mutex_);
  return conclude(key, attempts_of(key), found, found ? "although nothing was to be kept" : "");
}

std::string History::check_prefix(const ShownState& now, Numbers numbers) {
  std::lock_guard lock(mutex_);
  PrefixQuestion question{.before = {}, .changes = {}, .now = now, .numbers = numbers};
  for (const auto& [key, attempts] : attempts_) {
    const auto version = versions_.find(key);
    if (const auto& settled = attempts.front().set) {
      question.before[key] = {*settled, version == versions_.end() ? 0 : version->second};
    }
    for (auto attempt = attempts.begin() + 1; attempt != attempts.end(); ++attempt) {
      question.changes.push_back({key, attempt->set, attempt->begin, attempt->end, attempt->revision, attempt->record});
    }
  }
  versions_.clear();
  for (const auto& [key, shown] : now) versions_[key] = shown.version;
  return judge_prefix(question);
}

void History::promise(std::uint64_t revision) {
  std::lock_guard lock(mutex_);
  promised_ = std::max(promised_, revision);
}

void History::promise_nothing() {
  std::lock_guard lock(mutex_);
  promised_ = 0;
}

std::uint64_t History::promised() const {
  std::lock_guard lock(mutex_);
  return promised_;
}

void History::disk_dies() {
  std::lock_guard lock(mutex_);
  disk_dies_ = true;
}

void History::disk_is_dead(bool disk_promised) {
  std::lock_guard lock(mutex_);
  if (disk_promised) disk_dead_since_ = ++now_;
}

void History::crashed() {
  std::lock_guard lock(mutex_);
  floor_ = std::max(floor_, answered_highest_);
  revisions_.clear();
  disk_dies_ = false;
  disk_dead_since_ = kOpen;
  answered_dying_.clear();
}

std::uint64_t History::answered_dying_above(std::uint64_t revision) const {
  std::lock_guard lock(mutex_);
  return static_cast<std::uint64_t>(std::count_if(answered_dying_.begin(), answered_dying_.end(),
                                                  [&](std::uint64_t answered) { return answered > revision; }));
}

std::uint64_t History::highest_revision() const {
  std::lock_guard lock(mutex_);
  return std::max(floor_, answered_highest_);
}

std::uint64_t History::acknowledged_above(std::uint64_t cut) const {
  std::lock_guard lock(mutex_);
  std::uint64_t count = 0;
  for (const auto& [key, attempts] : attempts_) {
    count += static_cast<std::uint64_t>(std::count_if(attempts.begin(), attempts.end(), [&](const Attempt& attempt) {
      return attempt.counts && attempt.end != kOpen && attempt.revision > cut;
    }));
  }
  return count;
}

std::optional<std::chrono::steady_clock::time_point> History::first_answer_above(std::uint64_t cut) const {
  std::lock_guard lock(mutex_);
  std::optional<std::chrono::steady_clock::time_point> first;
  for (const auto& [key, attempts] : attempts_) {
    for (const Attempt& attempt : attempts) {
      if (attempt.end == kOpen || attempt.revision <= cut) continue;
      if (!first || attempt.answered < *first) first = attempt.answered;
    }
  }
  return first;
}

std::uint64_t History::answered_before(std::chrono::steady_clock::time_point moment) const {
  std::lock_guard lock(mutex_);
  std::uint64_t count = 0;
  for (const auto& [key, attempts] : attempts_) {
    count += static_cast<std::uint64_t>(std::count_if(attempts.begin(), attempts.end(), [&](const Attempt& attempt) {
      return attempt.counts && attempt.end != kOpen && attempt.revision > 0 && attempt.answered < moment;
    }));
  }
  return count;
}

std::vector<std::string> History::keys() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> keys;
  for (const auto& [key, attempts] : attempts_) keys.push_back(key);
  return keys;
}

}  // namespace kv::crash
