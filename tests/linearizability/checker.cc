#include "tests/linearizability/checker.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>

namespace kv::linearizability {
namespace {

// Whether `operation` may take effect on a key that shows `state`; if so, `state` becomes what it leaves.
bool take_effect(const Operation& operation, Value& state) {
  switch (operation.kind) {
    case Operation::Kind::kGet:
      return operation.value == state;
    case Operation::Kind::kSet:
      state = operation.value;
      return true;
    case Operation::Kind::kDelete:
      break;
  }
  const bool existed = state != kMissing;
  state = kMissing;
  return operation.returned == kNever || (operation.value != 0) == existed;
}

// Which operations have taken effect, and what the key shows after them: two ways that lead here go on alike.
struct Situation {
  std::vector<std::uint64_t> done;
  Value state = kMissing;
  friend bool operator==(const Situation&, const Situation&) = default;
};
struct SituationHash {
  std::size_t operator()(const Situation& situation) const {
    std::uint64_t hash = situation.state * 0x9e3779b97f4a7c15ULL;
    for (const std::uint64_t word : situation.done) hash = (hash ^ word) * 0x9ddfea08eb382d69ULL ^ (hash >> 29);
    return hash;
  }
};

// The calls and returns that are not yet behind us, as a list in the order of time.
class Search {
 public:
  Search(std::span<const Operation> operations, Value initial) : operations_(operations) {
    situation_.state = initial;
    situation_.done.resize(operations.size() / 64 + 1);
    for (std::size_t i = 0; i < operations.size(); ++i) {
      events_.push_back({operations[i].called, i, true});
      events_.push_back({operations[i].returned, i, false});
      open_ += operations[i].returned == kNever;
    }
    std::stable_sort(events_.begin() + 1, events_.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
    for (std::size_t i = 0; i < events_.size(); ++i) {
      events_[i].next = i + 1;
      events_[i].previous = i == 0 ? 0 : i - 1;
      if (i > 0) (events_[i].is_call ? call_of_ : return_of_)[events_[i].operation] = i;
    }
  }

  Verdict run(std::size_t search_max) {
    const std::size_t to_do = operations_.size() - open_;
    std::size_t known_done = 0;
    std::size_t at = events_[0].next;
    while (known_done < to_do) {
      const Event& event = events_[at];
      // Everything that is open may take effect after the last known one.
      Value after = situation_.state;
      if (event.is_call && take_effect(operations_[event.operation], after) && is_new(event.operation, after)) {
        if (seen_.size() > search_max) return Verdict::kGaveUp;
        path_.push_back({at, situation_.state});
        step(event.operation, after);
        remove(event.operation);
        known_done += operations_[event.operation].returned != kNever;
        at = events_[0].next;
        continue;
      }
      if (event.is_call) {
        at = event.next;
        continue;
      }
      // This one has returned, and nothing before it can take effect: go back.
      if (path_.empty()) return Verdict::kNotLinearizable;
      const Step last = path_.back();
      path_.pop_back();
      const std::size_t operation = events_[last.event].operation;
      restore(operation);
      step(operation, last.state_before);
      known_done -= operations_[operation].returned != kNever;
      at = events_[last.event].next;
    }
    return Verdict::kLinearizable;
  }

 private:
  struct Event {
    Instant at = 0;
    std::size_t operation = 0;
    bool is_call = false;
    std::size_t next = 0;
    std::size_t previous = 0;
  };
  struct Step {
    std::size_t event;
    Value state_before;
  };

  bool is_new(std::size_t operation, Value after) {
    Situation next = situation_;
    next.state = after;
    next.done[operation / 64] |= std::uint64_t{1} << operation % 64;
    return seen_.insert(std::move(next)).second;
  }
  void step(std::size_t operation, Value state) {
    situation_.done[operation / 64] ^= std::uint64_t{1} << operation % 64;
    situation_.state = state;
  }
  void unlink(std::size_t event) {
    events_[events_[event].previous].next = events_[event].next;
    if (events_[event].next < events_.size()) events_[events_[event].next].previous = events_[event].previous;
  }
  void link(std::size_t event) {
    events_[events_[event].previous].next = event;
    if (events_[event].next < events_.size()) events_[events_[event].next].previous = event;
  }
  void remove(std::size_t operation) {
    unlink(call_of_[operation]);
    unlink(return_of_[operation]);
  }
  void restore(std::size_t operation) {  // In the opposite order of remove().
    link(return_of_[operation]);
    link(call_of_[operation]);
  }

  const std::span<const Operation> operations_;
  std::vector<Event> events_{1};  // [0] is the head of the list
  std::vector<std::size_t> call_of_ = std::vector<std::size_t>(operations_.size());
  std::vector<std::size_t> return_of_ = std::vector<std::size_t>(operations_.size());
  std::size_t open_ = 0;
  Situation situation_;
  std::unordered_set<Situation, SituationHash> seen_;
  std::vector<Step> path_;
};

}  // namespace

Verdict check(std::span<const Operation> operations, Value initial, std::size_t search_max) {
  std::vector<Operation> known;
  std::copy_if(operations.begin(), operations.end(), std::back_inserter(known), [](const Operation& operation) {
    return operation.kind != Operation::Kind::kGet || operation.returned != kNever;
  });
  return Search(known, initial).run(search_max);
}

std::string describe(std::span<const Operation> operations) {
  std::vector<Operation> sorted(operations.begin(), operations.end());
  std::sort(sorted.begin(), sorted.end(), [](const Operation& a, const Operation& b) { return a.called < b.called; });
  std::string text;
  for (const Operation& operation : sorted) {
    static constexpr const char* kWords[] = {"get", "set", "delete"};
    text += fmt::format("  {:>7}..{:<7} {} {}\n", operation.called,
                        operation.returned == kNever ? "open" : fmt::format("{}", operation.returned),
                        kWords[static_cast<int>(operation.kind)], operation.value);
  }
  return text;
}

}  // namespace kv::linearizability
