// What a walk through the store (store/walk.h) leaves at each shard, so that writers keep for it what they replace.
//
// Hard part: the keeping happens inside publish() and erase(), which must not fail, and under the shard's lock, which
// must not be held long. An entry is a block that never changes, so nothing is copied: the block that would be freed
// is handed over. When there is no memory even to note that, the walks that wanted it are over; the write is not.
//
// Threads:  under the shard's lock: next, limit, all_keys and old by writers and by the walk's owner. Shortage by
// anybody. Lifetime: a watch is taken from its shard before it ends.
#pragma once

#include <atomic>
#include <cstdint>
#include <forward_list>
#include <limits>
#include <memory>

#include "store/entry.h"
#include "store/key_range.h"
#include "store/types.h"

namespace kv {

// An entry that is not in its table any more.
struct OldEntry {
  // What it costs to keep one: the block, and what holds it.
  static std::size_t bytes_of(const Entry& entry) noexcept { return entry.block_bytes() + 96; }

  std::shared_ptr<const Entry> entry;  // several walks may want the same one
  Revision replaced = 0;               // by the change of this revision
};

// What all watches of one walk share.
struct WatchTerms {
  static constexpr Revision kNoLimit = std::numeric_limits<Revision>::max();

  WatchTerms(KeyRange wanted, std::size_t bytes, std::atomic<std::uint64_t>& all)
      : range(std::move(wanted)), bytes_max(bytes), bytes_of_all(all) {}

  const KeyRange range;
  const std::size_t bytes_max;
  std::atomic<Revision> at{kNoLimit};        // the revision that the walk shows, once it is known
  std::atomic<std::size_t> bytes{0};         // of old entries that are kept now
  std::atomic<std::uint64_t>& bytes_of_all;  // the same, of all walks
  // The bound was passed, or there was no memory: nothing is kept from here on, so what the walk has not shown yet
  // cannot be relied on.
  std::atomic<bool> spent{false};
};

struct ShardWatch {
  // True when the walk still needs `entry`, which is about to be replaced.
  bool wants(const Entry& entry) const noexcept {
    if (terms->spent.load(std::memory_order_relaxed)) return false;
    const Revision newest = limit != 0 ? limit : terms->at.load(std::memory_order_relaxed);
    return entry.version() <= newest && (all_keys || terms->range.contains(entry.key()));
  }
  void keep(const std::shared_ptr<const Entry>& entry, Revision replaced) noexcept;

  WatchTerms* terms = nullptr;
  ShardWatch* next = nullptr;
  Revision limit = 0;     // entries that are newer are not needed; 0: those newer than terms->at
  bool all_keys = false;  // not only those of the range
  std::forward_list<OldEntry> old;
};

}  // namespace kv
