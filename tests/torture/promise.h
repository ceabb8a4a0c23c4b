// What was written since the last start, and which prefixes of it a crash may leave: by mode, by what was answered as
// on disk, and by the switch or snapshot that was under way.
//
// Hard part: somebody writes while a snapshot is cut or a mode is switched, so where the cut lies is known only as a
// range: at or above what was answered when it was asked for, at or below what was sent when it was done.
//
// Threads: one at a time: the writer beside a switch, or the test when that writer has ended.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/persistence/storage_fixture.h"

namespace kv {

class Promise {
 public:
  // Numbers of writes, both included.
  struct Range {
    std::size_t first = 0;
    std::size_t last = 0;
  };
  // What was asked for and not answered yet.
  struct UnderWay {
    std::optional<Mode> to;  // a switch
    bool snapshot = false;
    std::size_t begun = 0;  // so many writes were answered by then
  };

  void restart(Data found, Mode mode) {
    states_ = {std::move(found)};
    mode_ = mode;
    kept_ = {};
    on_disk_ = 0;
  }
  // A value as shown_value() has it; none: a delete.
  void sent(const std::string& key, const std::optional<std::string>& value) {
    Data next = states_.back();
    if (value) next[key] = *value;
    if (!value) next.erase(key);
    states_.push_back(std::move(next));
  }
  // It was refused before it was applied, for good.
  void taken_back() { states_.pop_back(); }
  void acknowledged(Level level) {
    if (level == Level::kDisk) on_disk_ = sent_count();
  }
  void snapshot_taken(Range cut) {
    if (mode_ == Mode::kSnapshot) kept_ = cut;
  }
  // Complete: the new mode keeps what there was when it was asked for, whatever was promised before.
  void switched(Mode to, Range cut) {
    mode_ = to;
    kept_ = cut;
    if (to == Mode::kNonPersistent) on_disk_ = 0;
  }

  Mode mode() const { return mode_; }
  const Data& newest() const { return states_.back(); }
  std::size_t sent_count() const { return states_.size() - 1; }

  // For whoever reads a failure: what is promised, and after which of the writes the data was as it was found.
  std::string numbers(const Data& found) const {
    std::string text = fmt::format("{} writes, {} answered as on disk, cut in {} to {}; found is after", sent_count(),
                                   on_disk_, kept_.first, kept_.last);
    for (std::size_t n = 0; n < states_.size(); ++n) {
      if (found == states_[n]) text += fmt::format(" {}", n);
    }
    return text;
  }

  bool allows(const Data& found, const UnderWay& under_way) const {
    const bool nothing_kept = mode_ == Mode::kNonPersistent && on_disk_ == 0;
    if (found.empty() && (nothing_kept || under_way.to == Mode::kNonPersistent)) return true;
    const bool new_cut = under_way.snapshot || (under_way.to && *under_way.to != Mode::kNonPersistent);
    for (std::size_t n = on_disk_; n < states_.size(); ++n) {
      if (found != states_[n]) continue;
      if (new_cut && n >= under_way.begun) return true;
      if (has_log(mode_) && n >= kept_.first) return true;
      if (mode_ == Mode::kSnapshot && n >= kept_.first && n <= kept_.last) return true;
    }
    return false;
  }

 private:
  std::vector<Data> states_{1};  // [n]: after n writes
  Range kept_;                   // by the newest snapshot; with a log the first alone counts
  std::size_t on_disk_ = 0;      // so many are answered as on disk
  Mode mode_ = Mode::kHybrid;
};

}  // namespace kv
