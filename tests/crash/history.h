// The oracle: what was intended for each key and what became of it, kept outside the server that is killed.
//
// A writer says begin_*() before it sends and acknowledge() after an OK, with the revision that the answer named; a
// call that ended any other way stays open: it may have happened or not. After a crash one of three is told what a key
// shows, and judges it by what the mode promised:
//   settle()        nothing is lost: some write since the last judgement (or the state then) left what is shown, and no
//                   acknowledged write of that key came later - by revision, and where there is none because it began
//                   after that write had ended
//   settle_at_cut() the state is that of one revision: the acknowledged write with the highest revision up to the cut
//                   is shown, or a write left open
//   settle_empty()  nothing is there
// So an acknowledged write is never lost or undone, a deleted key stays deleted, nothing shows that was never written,
// and an open write may show or not.
//
// It also keeps the revisions: no two writes are ever given the same one, and after crashed() every new one is above
// all that were seen before. check_prefix() asks about all keys at once, before each is settled (prefix.h).
//
// Threads: all calls from any thread. Order comes from one counter, not from a clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/crash/prefix.h"
#include "tests/crash/value.h"

namespace kv::crash {

class History {
 public:
  // A write under way; good until its key is settled.
  struct Intent {
    std::string key;
    std::size_t index = 0;
  };

  Intent begin_set(std::string_view key, WriteId id) { return begin(key, id); }
  Intent begin_delete(std::string_view key) { return begin(key, std::nullopt); }
  // Of two different keys, as one record: after a crash both are as it left them or neither is.
  std::pair<Intent, Intent> begin_pair(std::string_view first, std::string_view second, WriteId id);
  // `revision`: the one that the change was given; 0 where nothing changed or none is known. Answers what is wrong with
  // it, or an empty text.
  std::string acknowledge(const Intent& intent, std::uint64_t revision = 0);
  std::string acknowledge(const std::pair<Intent, Intent>& both, std::uint64_t revision);

  // `found`: the write whose value the key shows, nothing when the key is not there. Each answers what is wrong, or an
  // empty text; from then on what was found is the state that later ones are judged from.
  std::string settle(const std::string& key, std::optional<WriteId> found);
  std::string settle_at_cut(const std::string& key, std::optional<WriteId> found, std::uint64_t cut);
  std::string settle_empty(const std::string& key, std::optional<WriteId> found);

  // Whether all that is shown is the exact state at `numbers.last`. To be asked before the keys are settled, which
  // takes `now` for what later states are compared with.
  std::string check_prefix(const ShownState& now, Numbers numbers);

  // The disk dies between these two calls. An answer that comes after the first proves nothing: the process would be as
  // dead as the disk, were it a real power cut, and a sync that is under way meanwhile may report success and be lost
  // (docs/torture.md). Its write stays open. An OK to a write that began after the second is a finding of acknowledge()
  // when `disk_promised`.
  void disk_dies();
  void disk_is_dead(bool disk_promised);
  // How many such answers named a revision above `revision`; asked before crashed().
  std::uint64_t answered_dying_above(std::uint64_t revision) const;

  // The server is gone: what it numbers from now on must be above everything it ever numbered.
  void crashed();
  std::uint64_t highest_revision() const;
  // Acknowledged writes since the last judgement with a revision above `cut`.
  std::uint64_t acknowledged_above(std::uint64_t cut) const;

  // When the first of them was answered; nothing when there are none.
  std::optional<std::chrono::steady_clock::time_point> first_answer_above(std::uint64_t cut) const;
  // How many changes since the last judgement were answered before `moment`.
  std::uint64_t answered_before(std::chrono::steady_clock::time_point moment) const;

  // Every change up to this revision survives a kill, whatever mode the server is in then, as long as it has files:
  // what an answer said of its write, or a switch of modes that was answered.
  void promise(std::uint64_t revision);
  void promise_nothing();
  std::uint64_t promised() const;

  std::vector<std::string> keys() const;

 private:
  static constexpr std::uint64_t kOpen = kNeverEnded;
  struct Attempt {
    std::optional<WriteId> set;  // nothing: a delete
    std::uint64_t begin = 0;
    std::uint64_t end = kOpen;
    std::uint64_t revision = 0;
    std::chrono::steady_clock::time_point answered{};
    std::uint64_t record = 0;  // of a transaction, the same in both of its keys
    bool counts = true;        // not the second of a record
  };

  // Under the lock.
  Intent note_begin(std::string_view key, const Attempt& attempt);
  std::string note_answer(const Intent& intent, std::uint64_t revision);
  Intent begin(std::string_view key, std::optional<WriteId> set);
  std::vector<Attempt>& attempts_of(const std::string& key);
  std::string conclude(const std::string& key, std::vector<Attempt>& attempts, std::optional<WriteId> found,
                       std::string problem);
  static bool overruled(const std::vector<Attempt>& attempts, const Attempt& candidate);

  mutable std::mutex mutex_;
  std::uint64_t now_ = 0;
  std::uint64_t records_ = 0;  // of two keys
  bool disk_dies_ = false;
  std::uint64_t disk_dead_since_ = kOpen;
  std::vector<std::uint64_t> answered_dying_;  // revisions
  std::uint64_t floor_ = 0;                    // every revision up to this one was given away before the last crash
  std::set<std::uint64_t> revisions_;          // given since then
  std::uint64_t answered_highest_ = 0;         // revision
  std::uint64_t promised_ = 0;                 // revision
  std::map<std::string, std::vector<Attempt>, std::less<>> attempts_;  // the first is the state last settled
  std::map<std::string, std::uint64_t, std::less<>> versions_;         // of what was last settled, where it is known
};

}  // namespace kv::crash
