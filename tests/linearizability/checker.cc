#include "tests/linearizability/checker.h"

#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tests/linearizability/model.h"

namespace kv::linearizability {
namespace {

using Fate = Operation::Fate;

// An entry whose version is that of no answer: somebody whose answer says no revision has made it.
struct Orphan {
  unsigned key;
  Shown shown;
};
constexpr std::size_t kOrphansMax = 64;

// Calls visit(key, shown) for everything that answers have shown.
template <class Visit>
void for_each_shown(const History& history, Visit visit) {
  for (const Operation& operation : history.operations) {
    if (operation.fate != Fate::kAnswered || operation.results.empty()) continue;
    const std::vector<Step>& steps = operation.succeeded ? operation.then : operation.otherwise;
    for (std::size_t i = 0; i < std::min(steps.size(), operation.results.size()); ++i) {
      const std::optional<Shown>& before = operation.results[i].before;
      if (before && before->there && before->version != kUntold) visit(steps[i].key, *before);
    }
  }
}

class Search {
 public:
  Search(const History& history, std::size_t situations_max) : history_(history), situations_max_(situations_max) {
    for (const Operation& operation : history.operations) {
      // What was only read and never answered says nothing.
      if (operation.fate == Fate::kAnswered || writes(operation)) operations_.push_back(&operation);
    }
    std::sort(operations_.begin(), operations_.end(),
              [](const Operation* a, const Operation* b) { return a->called < b->called; });
    crash_ = operations_.size();
    done_.resize(operations_.size() + 1);
    for (const Operation* operation : operations_) to_do_ += operation->fate == Fate::kAnswered;
    if (history.crash) {
      ++to_do_;
    } else {
      done_[crash_] = true;
    }
  }

  Judgement run() {
    if (const std::string wrong = misgiven_revisions(); !wrong.empty()) return {Verdict::kNotLinearizable, 0, wrong};
    find_orphans();
    if (orphans_.size() > kOrphansMax) return {Verdict::kGaveUp, 0, "too many entries of unknown origin"};
    push({}, {model_.initial(history_), 0});
    while (!path_.empty()) {
      Frame& top = path_.back();
      if (done_count_ == to_do_) return {Verdict::kLinearizable, seen_.size(), {}};
      if (top.next == top.choices.size()) {
        pop();
        continue;
      }
      const Choice choice = top.choices[top.next++];
      Situation after = top.situation;
      if (!carry_out(choice, after)) continue;
      done_[choice.operation] = true;
      const bool is_new = seen_.insert(key_of(after)).second;
      done_[choice.operation] = false;
      if (!is_new) continue;
      if (seen_.size() > situations_max_) return {Verdict::kGaveUp, seen_.size(), why()};
      push(choice, after);
    }
    return {Verdict::kNotLinearizable, seen_.size(), why()};
  }

 private:
  static constexpr std::size_t kNoOrphan = static_cast<std::size_t>(-1);
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  struct Situation {
    State state;
    std::uint64_t used_orphans = 0;
  };
  struct Choice {
    std::size_t operation = kNone;
    Model::Effect effect = {};
    std::size_t orphan = kNoOrphan;
  };
  struct Frame {
    Choice by;  // what led here
    Situation situation;
    std::vector<Choice> choices;
    std::size_t next = 0;
  };

  bool must_be_done(std::size_t operation) const {
    return operation == crash_ || operations_[operation]->fate == Fate::kAnswered;
  }

  // No revision is given to two changes.
  std::string misgiven_revisions() const {
    std::set<Revision> given;
    for (const Operation* operation : operations_) {
      if (operation->fate != Fate::kAnswered || operation->revision.value_or(0) == 0) continue;
      if (!given.insert(*operation->revision).second)
        return fmt::format("revision {} was given twice", *operation->revision);
    }
    return {};
  }

  void find_orphans() {
    std::set<Revision> known;
    for (const Shown& shown : history_.initial) known.insert(shown.version);
    for (const Operation* operation : operations_) {
      if (operation->fate != Fate::kAnswered) continue;
      known.insert(operation->revision.value_or(0));
      if (history_.crash && operation->returned < *history_.crash)
        newest_before_crash_ = std::max(newest_before_crash_, operation->revision.value_or(0));
    }
    for_each_shown(history_, [&](unsigned key, const Shown& shown) {
      const bool met = std::any_of(orphans_.begin(), orphans_.end(), [&](const Orphan& orphan) {
        return orphan.key == key && orphan.shown.version == shown.version;
      });
      if (!met && !known.contains(shown.version)) orphans_.push_back({key, shown});
    });
  }

  // ---- One step

  bool carry_out(const Choice& choice, Situation& situation) {
    if (choice.operation == crash_) {
      situation.state.shown = situation.state.kept;
      return true;
    }
    if (!model_.take_effect(*operations_[choice.operation], choice.effect, situation.state)) return false;
    if (choice.orphan == kNoOrphan) return true;
    // One transaction may have made several of the entries that were shown.
    for (std::size_t i = 0; i < orphans_.size(); ++i) {
      const Orphan& orphan = orphans_[i];
      if (orphan.shown.version != choice.effect.revision) continue;
      if (!model_.shows(situation.state.shown[orphan.key], orphan.shown)) return false;
      situation.used_orphans |= std::uint64_t{1} << i;
    }
    return true;
  }

  std::vector<Choice> choices(const Situation& situation) const {
    Instant first_return = kNever;
    for (std::size_t i = first_left_; i < operations_.size(); ++i) {
      if (operations_[i]->called > first_return) break;
      if (!done_[i] && must_be_done(i)) first_return = std::min(first_return, operations_[i]->returned);
    }
    if (!done_[crash_]) first_return = std::min(first_return, *history_.crash);
    // Those that were answered first: the others are needed where nothing else fits.
    std::vector<Choice> choices;
    for (const bool answered : {true, false}) {
      for (std::size_t i = first_left_; i < operations_.size() && operations_[i]->called < first_return; ++i) {
        if (!done_[i] && must_be_done(i) == answered) add_choices(i, situation, choices);
      }
      if (answered && !done_[crash_] && *history_.crash <= first_return) choices.push_back({crash_});
    }
    return choices;
  }

  void add_choices(std::size_t i, const Situation& situation, std::vector<Choice>& choices) const {
    const Operation& operation = *operations_[i];
    if (operation.fate == Fate::kAnswered && operation.revision) {
      choices.push_back({i, {.revision = *operation.revision}});
      return;
    }
    const bool answered = operation.fate == Fate::kAnswered;
    if (!answered && history_.crash && done_[crash_]) return;  // Its server is gone.
    const bool may_be_lost = !answered && history_.crash && history_.shows_what_is_lost;
    for (const bool lost : {false, true}) {
      if (lost ? !may_be_lost : operation.fate == Fate::kLost) continue;
      for (std::size_t orphan = 0; orphan < orphans_.size(); ++orphan) {
        const Revision revision = orphans_[orphan].shown.version;
        if ((situation.used_orphans & std::uint64_t{1} << orphan) != 0) continue;
        if (lost && revision < newest_before_crash_) continue;
        choices.push_back({i, {.revision = revision, .lost = lost}, orphan});
      }
      choices.push_back({i, {.revision = kUnseen, .lost = lost}});
    }
  }

  // ---- The path

  void push(const Choice& choice, const Situation& situation) {
    if (choice.operation != kNone) {
      done_[choice.operation] = true;
      done_count_ += must_be_done(choice.operation);
      while (first_left_ < operations_.size() && done_[first_left_]) ++first_left_;
    }
    path_.push_back({choice, situation, choices(situation)});
    if (done_count_ >= best_count_) remember_best();
  }
  void pop() {
    const Choice choice = path_.back().by;
    path_.pop_back();
    if (choice.operation == kNone) return;
    done_[choice.operation] = false;
    done_count_ -= must_be_done(choice.operation);
    first_left_ = std::min(first_left_, choice.operation);
  }

  // The order that came furthest, and what could not go on from there.
  void remember_best() {
    best_count_ = done_count_ + 1;
    best_ = path_.back();
  }
  std::string why() const {
    std::string text = fmt::format("{} of {} fit one order; behind them", done_count_of_best(), to_do_);
    for (unsigned key = 0; key < history_.keys; ++key)
      text += fmt::format(" k{} is {},", key, model_.describe(best_.situation.state.shown[key]));
    text.back() = '\n';
    std::size_t last = crash_;
    for (const Choice& choice : best_.choices) {
      if (choice.operation == crash_ || choice.operation == last) continue;
      last = choice.operation;
      text += "  does not fit: " + describe(*operations_[last]) + "\n";
    }
    return text;
  }
  std::size_t done_count_of_best() const { return best_count_ - 1; }

  std::string key_of(const Situation& situation) const {
    std::string key;
    const auto add = [&key](const auto& value) { key.append(reinterpret_cast<const char*>(&value), sizeof value); };
    for (const Cells* cells : {&situation.state.shown, &situation.state.kept}) {
      for (unsigned i = 0; i < history_.keys; ++i) {
        const Cell& cell = (*cells)[i];
        add(cell.text);
        add(cell.unseen);
        add(cell.newest);
      }
    }
    add(situation.used_orphans);
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < done_.size(); ++i) {
      word = word << 1 | static_cast<std::uint64_t>(done_[i]);
      if (i % 64 == 63 || i + 1 == done_.size()) add(std::exchange(word, 0));
    }
    return key;
  }

  const History& history_;
  const std::size_t situations_max_;
  Model model_;
  std::vector<const Operation*> operations_;  // by their calls
  std::size_t crash_ = 0;                     // its index, behind them
  std::vector<Orphan> orphans_;
  Revision newest_before_crash_ = 0;

  std::vector<bool> done_;
  std::size_t first_left_ = 0;  // everything before it is done
  std::size_t to_do_ = 0;
  std::size_t done_count_ = 0;
  std::vector<Frame> path_;
  std::unordered_set<std::string> seen_;
  std::size_t best_count_ = 0;  // and one
  Frame best_;
};

}  // namespace

Judgement check(const History& history, std::size_t situations_max) { return Search(history, situations_max).run(); }

}  // namespace kv::linearizability
