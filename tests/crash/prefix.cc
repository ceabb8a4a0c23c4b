#include "tests/crash/prefix.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace kv::crash {
namespace {

constexpr std::uint64_t kChoicesMax = 1'000'000;

// A change with the number that it has, or is tried with.
struct Numbered {
  std::uint64_t revision = 0;
  const Change* change = nullptr;
};

std::string describe(const std::optional<Shown>& shown) {
  if (!shown) return "no value";
  return fmt::format("write {} of writer {}, version {}", shown->write.counter, shown->write.writer, shown->version);
}

class Judge {
 public:
  explicit Judge(const PrefixQuestion& question) : question_(question) {}

  std::string run() {
    for (const Change& change : question_.changes) sort_in(change);
    if (std::string problem = count(); !problem.empty()) return problem;
    for (auto& [key, numbered] : known_) std::sort(numbered.begin(), numbered.end(), by_revision);
    note_floors();
    if (std::string problem = place_shown(); !problem.empty()) return problem;
    if (std::string problem = compare_settled(); !problem.empty()) return problem;
    if (fits(missing_.begin())) return {};
    if (choices_ > kChoicesMax) return fmt::format("gave up: {} ways to number the open writes were tried", choices_);
    return explain();
  }

 private:
  using Missing = std::set<std::uint64_t>;
  static bool by_revision(const Numbered& a, const Numbered& b) { return a.revision < b.revision; }

  // Those that are numbered above `last` have no part in the state. Of a transaction the first change that comes stands
  // for both where numbers are counted and tried.
  void sort_in(const Change& change) {
    const Change*& first = first_of_[change.record];
    const bool second = change.record != 0 && first != nullptr;
    if (second) other_[first] = &change;
    if (change.record != 0 && !second) first = &change;
    if (change.revision == 0) {
      if (change.end == kNeverEnded && !second) open_.push_back(&change);
      return;
    }
    if (change.end != kNeverEnded) ended_.push_back(&change);
    if (change.revision > question_.numbers.last) return;
    known_[change.key].push_back({change.revision, &change});
    taken_.insert(change.revision);
    if (!second) ++known_count_;
  }

  // All changes of an open write's record.
  std::vector<const Change*> changes_of(const Change* open) const {
    const auto other = other_.find(open);
    return other == other_.end() ? std::vector{open} : std::vector{open, other->second};
  }

  std::string count() {
    const auto [first, last] = question_.numbers;
    if (taken_.size() != known_count_) return "a revision was given to two writes";
    if (!taken_.empty() && *taken_.begin() < first) {
      return fmt::format("revision {} was given, although the server began at {}", *taken_.begin(), first);
    }
    if (last < first) return {};
    const std::uint64_t wanting = last - first + 1 - known_count_;
    if (wanting > open_.size()) {
      return fmt::format(
          "the state is that of revision {}, but of {} to {} there are {} that no acknowledged write has, "
          "and only {} writes were left open",
          last, first, last, wanting, open_.size());
    }
    auto taken = taken_.begin();
    for (std::uint64_t revision = first; missing_.size() < wanting; ++revision) {
      if (taken != taken_.end() && *taken == revision) {
        ++taken;
      } else {
        missing_.insert(revision);
      }
    }
    return {};
  }

  // An open write comes after everything that had ended when it began.
  void note_floors() {
    for (const Change* open : open_) {
      std::uint64_t& floor = floor_[open];
      for (const Change* other : ended_) {
        if (other->end < open->begin) floor = std::max(floor, other->revision);
      }
    }
  }

  // The open writes that show have their numbers with them.
  std::string place_shown() {
    for (const auto& [key, shown] : question_.now) {
      const auto found = std::find_if(open_.begin(), open_.end(), [&, &key = key, &shown = shown](const Change* open) {
        const std::vector<const Change*> changes = changes_of(open);
        return std::any_of(changes.begin(), changes.end(),
                           [&](const Change* one) { return one->key == key && one->set == shown.write; });
      });
      if (found == open_.end()) continue;
      const Change* open = *found;
      const std::string what = fmt::format("{} shows {}, which was never answered", key, describe(shown));
      if (shown.version > question_.numbers.last) {
        return fmt::format("{}, and the state is that of revision {}", what, question_.numbers.last);
      }
      if (missing_.erase(shown.version) == 0) return what + ", and whose number another write has";
      if (shown.version <= floor_.at(open)) {
        return fmt::format("{}, and which began after revision {} had been acknowledged", what, floor_.at(open));
      }
      // With one of two the other is there too, unless something newer is: compare_settled() sees to that.
      for (const Change* one : changes_of(open)) {
        known_[one->key].push_back({shown.version, one});
        std::sort(known_[one->key].begin(), known_[one->key].end(), by_revision);
      }
      open_.erase(found);
    }
    return {};
  }

  // Keys that no open write is about.
  std::string compare_settled() {
    std::set<std::string> keys;
    for (const auto& [key, numbered] : known_) keys.insert(key);
    for (const auto& [key, shown] : question_.before) keys.insert(key);
    for (const auto& [key, shown] : question_.now) keys.insert(key);
    for (const Change* open : open_) {
      for (const Change* one : changes_of(open)) keys.erase(one->key);
    }
    for (const std::string& key : keys) {
      if (std::string problem = compare(key); !problem.empty()) return problem;
    }
    return {};
  }

  // What the key's changes make of it, against what it shows.
  std::string compare(const std::string& key) const {
    std::vector<Numbered> changes;
    if (const auto found = known_.find(key); found != known_.end()) changes = found->second;
    for (const Numbered& tried : tried_) {
      if (tried.change->key == key) changes.push_back(tried);
    }
    std::sort(changes.begin(), changes.end(), by_revision);
    std::optional<Shown> value = find(question_.before, key);
    for (const auto& [revision, change] : changes) {
      if (!change->set && !value)
        return fmt::format("{} was deleted at revision {}, when it was not there", key, revision);
      value = change->set ? std::optional(Shown{*change->set, revision}) : std::nullopt;
    }
    std::optional<Shown> now = find(question_.now, key);
    if (now && value && value->version == 0) value->version = now->version;
    if (now == value) return {};
    return fmt::format("{} shows {}; at revision {} it was {}", key, describe(now), question_.numbers.last,
                       describe(value));
  }

  // Whether the missing numbers from `next` on can be those of open writes.
  bool fits(Missing::const_iterator next) {
    if (++choices_ > kChoicesMax) return false;
    if (next == missing_.end()) {
      return std::all_of(open_.begin(), open_.end(), [&](const Change* open) {
        const std::vector<const Change*> changes = changes_of(open);
        return std::all_of(changes.begin(), changes.end(),
                           [&](const Change* one) { return compare(one->key).empty(); });
      });
    }
    for (const Change* open : open_) {
      const std::vector<const Change*> changes = changes_of(open);
      const bool used = std::any_of(tried_.begin(), tried_.end(), [&](const Numbered& n) { return n.change == open; });
      const bool older =
          std::any_of(changes.begin(), changes.end(), [&](const Change* one) { return shows_below(one->key, *next); });
      if (used || *next <= floor_.at(open) || older) continue;
      for (const Change* one : changes) tried_.push_back({*next, one});
      const bool fit = fits(std::next(next));
      tried_.resize(tried_.size() - changes.size());
      if (fit) return true;
    }
    return false;
  }

  // A key that shows an older version was not changed at `revision`.
  bool shows_below(const std::string& key, std::uint64_t revision) const {
    const auto now = find(question_.now, key);
    return now && now->version < revision;
  }

  std::string explain() const {
    std::string text = fmt::format("the state is not that of revision {}: no way to give {} to the open writes fits",
                                   question_.numbers.last,
                                   missing_.empty() ? "nothing" : fmt::format("{}", fmt::join(missing_, ", ")));
    for (const Change* open : open_) {
      text += fmt::format("\n    open: {} of {}, after revision {}", open->set ? "set" : "delete", open->key,
                          floor_.at(open));
      if (std::string problem = compare(open->key); !problem.empty()) text += "; without it " + problem;
    }
    return text;
  }

  static std::optional<Shown> find(const ShownState& state, const std::string& key) {
    const auto found = state.find(key);
    return found == state.end() ? std::nullopt : std::optional(found->second);
  }

  const PrefixQuestion& question_;
  std::map<std::string, std::vector<Numbered>> known_;  // in the state, by key
  std::uint64_t known_count_ = 0;
  std::set<std::uint64_t> taken_;
  std::vector<const Change*> ended_;
  std::vector<const Change*> open_;  // without a number of their own; of a transaction, its first change
  std::map<std::uint64_t, const Change*> first_of_;  // by record
  std::map<const Change*, const Change*> other_;     // of a transaction: the second change, by the first
  std::map<const Change*, std::uint64_t> floor_;
  Missing missing_;
  std::vector<Numbered> tried_;
  std::uint64_t choices_ = 0;
};

}  // namespace

std::string judge_prefix(const PrefixQuestion& question) { return Judge(question).run(); }

}  // namespace kv::crash
