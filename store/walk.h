// A walk through every key of the store in many short steps, while others write.
//
// Hard part: a table has no order that lasts: one insertion may move everything. So the walk has an order of its own,
// by the hash of the key that also chooses the shard. It goes shard by shard; of each it notes where the entries lie
// (one short pass that reads the table and nothing else), then sorts them, a few at a time. An entry is a block that
// never changes, so a note stays good as long as the block does; and a writer that replaces an entry hands the block to
// the walks that may still want it (store/shard_watch.h). One rule decides what a walk at revision R needs: an entry
// that is not newer than R and was replaced after R. So each key is shown once, as it was at R, whatever happens
// meanwhile.
//
// The order is the same in every process and for every number of shards. A place in it is all that is needed to go on
// later, in another walk, even after a restart: keys that were there all the time are neither skipped nor seen twice.
//
//   SNAPSHOT  watch_all(), then fix(the last revision assigned), then step(): the store at that revision.
//   RELAXED   step() at once: each shard as it was when the walk reached it. Only that shard is watched.
//
// Threads:  one thread at a time. Takes one shard's lock at a time, never over two calls.
// Lifetime: the store outlives the walk. let_go() until it says true, or the destructor, which does the rest at once.
// Errors:   std::bad_alloc leaves the walk good for let_go() alone. kSpent: writers replaced more than the budget
// holds. It
//           is final for a SNAPSHOT walk; a RELAXED one looks at the shard anew and goes on by itself.
// Units:    bytes. Beside the budget a walk takes about 40 bytes for each key of one shard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "store/key_range.h"
#include "store/shard_watch.h"
#include "store/store.h"

namespace kv {

// A place in the order of the walk. The highest bits of `order` are the shard.
struct WalkPlace {
  std::uint64_t order = 0;  // HashedKey::order
  std::uint64_t tie = 0;    // another hash, between keys of one order
  friend bool operator==(const WalkPlace&, const WalkPlace&) = default;
  friend bool operator<(const WalkPlace& a, const WalkPlace& b) noexcept {
    return a.order != b.order ? a.order < b.order : a.tie < b.tie;
  }
};
WalkPlace walk_place_of(std::string_view key) noexcept;

struct WalkOptions {
  KeyRange range = {};
  // Only what it says yes to is shown. Called under a shard's lock; empty: everything.
  std::function<bool(const Entry&)> matches = {};
  std::size_t budget_bytes = 64 << 20;  // for entries that were replaced
};

class StoreWalk {
 public:
  // Shows keys whose place is not before `from`; by default all. Entries that are due are not shown: SNAPSHOT asks the
  // clock once, in fix(), RELAXED at each shard.
  StoreWalk(Store& store, Clock& clock, WalkOptions options, WalkPlace from = {});
  ~StoreWalk();
  StoreWalk(const StoreWalk&) = delete;
  StoreWalk& operator=(const StoreWalk&) = delete;

  // From here on no change is lost to the walk. Before the first step.
  void watch_all();
  // After watch_all(): shows the store as of `at`, a revision read after watch_all() returned.
  void fix(Revision at);

  enum class Step {
    kGoOn,   // a step was done; call again
    kFull,   // `show` did not take the next entry: it comes first the next time
    kEnd,    // nothing is left
    kSpent,  // see above
  };
  using Show = std::function<bool(const Entry&)>;
  // Does a bounded piece of work: some hundred entries are looked at, or shown in order with show(entry), under one
  // shard's shared lock. `show` may refuse an entry.
  Step step(const Show& show);

  // Where another walk goes on: everything before it was shown, or is not to be shown. Of two keys that share one
  // place, the first may come again then.
  WalkPlace from() const noexcept { return from_; }
  // Where the next entry to be shown lies.
  std::size_t shard() const noexcept { return shard_; }
  // Entries seen so far, whether in the range or not.
  std::uint64_t examined() const noexcept { return examined_; }
  // What is kept for the walk now, beside the entries in the store.
  std::size_t kept_bytes() const noexcept { return terms_.bytes.load(std::memory_order_relaxed); }

  // Gives back, piece by bounded piece, what the walk holds and keeps writers busy with. True when nothing is left. No
  // step afterwards.
  bool let_go() noexcept;

 private:
  struct Item {
    WalkPlace place;
    const Entry* entry;
    friend bool operator<(const Item& a, const Item& b) noexcept { return a.place < b.place; }
  };
  enum class Phase { kList, kJudge, kShow, kLeave, kEnd };

  Step list();
  Step judge();
  Step show_some(const Show& show);
  Step leave() noexcept;
  Step spent() noexcept;

  unsigned shard_bits() const noexcept;
  WalkPlace start_of(std::size_t shard) const noexcept;
  ShardWatch& watch() noexcept { return watches_[snapshot_ ? shard_ - first_shard_ : 0]; }
  void attach(std::size_t shard, ShardWatch& watch) noexcept;
  void detach(std::size_t shard, ShardWatch& watch) noexcept;
  void note_entries(const Shard& shard);
  void note_old_entries();
  bool visible(const Entry& entry) const noexcept;
  bool wanted(const Entry& entry, WalkPlace& place) const;
  void forget_shard() noexcept;
  void make_buckets(std::size_t items);
  // Frees some of what was replaced; true when nothing is left.
  bool drop_some() noexcept;

  Store& store_;
  Clock& clock_;
  const WalkOptions options_;
  WatchTerms terms_;
  WalkPlace from_;
  const std::size_t first_shard_;
  std::size_t shard_;
  bool snapshot_ = false;
  std::vector<ShardWatch> watches_;  // SNAPSHOT: of each shard from the first one on; RELAXED: one, of the walk's shard
  std::size_t watched_from_ = 0;     // the shards from here to
  std::size_t watched_to_ = 0;       // here, not included, have a watch of ours
  UnixMillis now_ = 0;
  std::uint64_t examined_ = 0;

  // Of this shard:
  Phase phase_ = Phase::kList;
  std::vector<const Entry*> listed_;  // not looked at yet
  std::vector<std::vector<Item>>
      buckets_;  // what is to be shown, in buckets by place; each is sorted when its turn comes
  unsigned bucket_bits_ = 0;
  std::size_t bucket_ = 0;
  std::size_t shown_ = 0;            // of this bucket
  std::forward_list<OldEntry> old_;  // replaced before this shard was listed, and to be shown
  std::forward_list<OldEntry> dropping_;
};

}  // namespace kv
