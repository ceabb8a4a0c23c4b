// One stripe of the store: a table of entries, its expiry index, its figures, and the lock over all of them.
//
// Hard part: publish() cannot fail, so the table must have a free slot for every prepared change, deleted slots or not.
// The table does not tell how many it has, so the shard counts on the safe side: free_slots_ is what was free
// after the last rehash less every insertion since, and what deletions gave back is not counted.
//
// This header is for the store and for whoever walks it frozen; everybody else uses store/store.h.
// Threads: everything but `lock` and expiry.next() under the lock.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_set.h"
#include "store/counting_allocator.h"
#include "store/entry_builder.h"
#include "store/expiry_index.h"
#include "store/shard_lock.h"
#include "store/shard_watch.h"
#include "store/store.h"

namespace kv {

// A set's elements are constant, but the entry of a key is replaced in place: by one with the same key.
struct Slot {
  mutable EntryPointer entry;
};

// A key as the table looks for it.
struct TableKey {
  TableKey(const HashedKey& key) noexcept : key(key.key), hash(key.hash) {}
  TableKey(std::string_view key, std::uint64_t hash) noexcept : key(key), hash(hash) {}
  std::string_view key;
  std::uint64_t hash;
};

// A key known by its hash alone; finds one of the entries with that hash.
struct KeyHash {
  std::uint64_t hash;
};

// Looks where a key's slot would be and finds nothing: all that it does is to ask the processor for the slot, which it
// does not read. A group has slots in two or three cache lines, and the table's own prefetch asks for the first.
struct SlotPrefetch {
  std::uint64_t hash;
};

// The same, one step on: it reads the slot, and asks for the entry that the slot names.
struct EntryPrefetch {
  std::uint64_t hash;
};

struct SlotHash {
  using is_transparent = void;
  std::size_t operator()(const Slot& slot) const noexcept { return table_hash(slot.entry->key()); }
  std::size_t operator()(const TableKey& key) const noexcept { return key.hash; }
  std::size_t operator()(KeyHash key) const noexcept { return key.hash; }
  std::size_t operator()(SlotPrefetch key) const noexcept { return key.hash; }
  std::size_t operator()(EntryPrefetch key) const noexcept { return key.hash; }
};

struct SlotEqual {
  using is_transparent = void;
  bool operator()(const Slot& a, const Slot& b) const noexcept { return a.entry->key() == b.entry->key(); }
  bool operator()(const Slot& slot, const TableKey& key) const noexcept { return slot.entry->key() == key.key; }
  bool operator()(const Slot& slot, KeyHash key) const noexcept { return table_hash(slot.entry->key()) == key.hash; }
  bool operator()(const Slot& slot, SlotPrefetch) const noexcept {
    __builtin_prefetch(&slot);
    return false;
  }
  bool operator()(const Slot& slot, EntryPrefetch) const noexcept {
    const auto* block = reinterpret_cast<const char*>(slot.entry.get());
    __builtin_prefetch(block);
    __builtin_prefetch(block + 64);  // where a value of ordinary length ends
    return false;
  }
};

// A revision that is at most 2^20 below the highest one in any shard: a bound for what a new entry must be able to
// hold. Written so rarely that reading it costs nothing.
class RevisionHint {
 public:
  void note(Revision revision) noexcept {
    Revision known = value_.load(std::memory_order_relaxed);
    while (revision >= known + kStep && !value_.compare_exchange_weak(known, revision, std::memory_order_relaxed)) {
    }
  }
  Revision get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  static constexpr Revision kStep = 1 << 20;
  std::atomic<Revision> value_{0};
};

// What all shards have in memory together, for whoever must ask often: each shard tells what has changed since it told
// last, once that is worth telling. So it is behind by less than one step a shard, and reading it is one load.
class SharedBytes {
 public:
  // Together the steps are 256 KiB, or a KiB each when there are many shards.
  explicit SharedBytes(std::size_t shards) noexcept : step_(std::max<std::uint64_t>((256 << 10) / shards, 1 << 10)) {}

  void tell(std::uint64_t bytes, std::uint64_t& told) noexcept {
    const std::uint64_t distance = bytes > told ? bytes - told : told - bytes;
    if (distance < step_) return;
    sum_.fetch_add(bytes - told, std::memory_order_relaxed);  // Modulo 2^64: less is a large number more.
    told = bytes;
  }
  std::uint64_t get() const noexcept { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t step_;
  std::atomic<std::uint64_t> sum_{0};
};

struct alignas(64) Shard {
  using Table = absl::flat_hash_set<Slot, SlotHash, SlotEqual, CountingAllocator<Slot>>;

  Shard() noexcept : table(0, SlotHash(), SlotEqual(), CountingAllocator<Slot>(&memory)), expiry(&memory) {}

  const Entry* find(const TableKey& key, UnixMillis now) const noexcept;
  const Entry* find_even_due(const TableKey& key) const noexcept;

  // Room for `unpublished` changes, this one included. `present`: the key's entry, or null.
  PreparedPut prepare(const Entry* present, const HashedKey& key, const HashedValue& value, ValueType type,
                      UnixMillis expire_at, std::size_t unpublished);
  PreparedPut prepare_over(const Entry& present, const HashedKey& key, const HashedValue& value, ValueType type,
                           UnixMillis expire_at, std::size_t unpublished);
  void publish(PreparedPut&& prepared, Revision revision) noexcept;
  void load(const LoadedEntry& loaded, const HashedKey& key, const HashedValue& value);
  void erase(const Entry& entry, Revision revision) noexcept;
  // Hands an entry that was just replaced to the walks that may still want it (store/walk.h).
  void keep_for_walks(EntryPointer old, Revision replaced) noexcept;

  void reserve_slots(std::size_t count);
  // Gives back memory that the present number of keys does not need; voids what was reserved.
  void trim() noexcept;
  void clear() noexcept;

  void collect_due(UnixMillis now, std::size_t keys_max, std::vector<std::string>& keys);
  StoreTotals totals() const noexcept;
  // After every change, before the lock is given back.
  void tell_bytes() noexcept { shared_bytes->tell(totals().memory_bytes, told_bytes_); }

  mutable ShardLock lock;
  MemoryCount memory;  // before its users, which count in it to the last
  Table table;
  ExpiryIndex expiry;
  std::uint64_t expiring_keys = 0;
  std::uint64_t data_bytes = 0;
  std::uint64_t digest = 0;
  Revision last_removal = 0;
  Revision newest = 0;            // of all entries that were ever in the table
  ShardWatch* watches = nullptr;  // of the walks under way
  RevisionHint* revision_hint = nullptr;
  SharedBytes* shared_bytes = nullptr;

 private:
  EntryBuilder::Parts parts_of(const Entry* present, const HashedKey& key, const HashedValue& value, ValueType type,
                               UnixMillis expire_at) const noexcept;
  void overwrite(const PreparedPut& prepared, Revision revision) noexcept;
  // `present`: the key's slot, or null.
  void put(EntryPointer entry, const Slot* present, const PreparedPut::Hashes& hashes) noexcept;
  void insert(EntryPointer entry, std::uint64_t hash) noexcept;
  void replace(const Slot& slot, EntryPointer entry) noexcept;
  void note_revision(Revision revision) noexcept;
  void note_expiry(UnixMillis before, UnixMillis expire_at, std::uint64_t hash) noexcept;
  void count_in(const Entry& entry, std::uint64_t entry_sum) noexcept;
  void count_out(const Entry& entry, std::uint64_t key_hash) noexcept;
  // Has the memory for a table of `capacity` ready while `change` runs. Throws std::bad_alloc; nothing changed then.
  template <class Change>
  void resize_table(std::size_t capacity, Change change);
  const Entry* find_hash(std::uint64_t hash) const noexcept;

  std::size_t free_slots_ = 0;
  std::uint64_t told_bytes_ = 0;
};

struct Store::State {
  State(std::size_t count, RequestBounds bounds);
  Shard& shard_of(const HashedKey& key) const noexcept;

  const std::size_t shard_count;
  RequestWindow requests;
  const unsigned shard_shift;  // the highest bits of a key's order choose the shard
  alignas(64) RevisionHint revision_hint;
  alignas(64) SharedBytes shared_bytes;
  std::atomic<std::uint64_t> kept_for_walks{0};
  const std::unique_ptr<Shard[]> shards;
};

}  // namespace kv
