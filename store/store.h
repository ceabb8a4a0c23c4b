// The data in memory: a power-of-two number of shards, each a hash set of one-block entries behind a lock of its own.
//
// Hard part: a change is made in two steps, so that it can only fail before anything is visible. prepare_put()
// allocates and reserves, and may throw std::bad_alloc; publish() and erase() are noexcept. Between the two the caller,
// still under the shard's lock, lets the journal number the change: log order = revision order = apply order of each
// key.
//
// Threads:  a shard is read under ReadLock and changed under WriteLock; shards are independent of each other. Whoever
//           needs several locks takes them in index order, each shard once. LockedAll takes every lock in that order.
//           for_each_frozen() and totals_frozen() take none: they are for the forked child and for a holder of
//           LockedAll.
// Lifetime: an Entry pointer is valid while the lock under which it was found is held, and until that key is published
//           or erased.
// Expiry:   a due entry is invisible to find(); it stays in memory until a removal is published.
// Units:    bytes; memory figures include the allocator's own rounding as far as it can be known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "store/entry.h"
#include "store/request_window.h"
#include "store/types.h"

namespace kv {

struct StoreTotals {
  std::uint64_t keys = 0;  // those that are due but not yet removed included
  std::uint64_t expiring_keys = 0;
  std::uint64_t data_bytes = 0;    // keys and values alone
  std::uint64_t memory_bytes = 0;  // blocks as the allocator rounds them, tables, expiry index
  std::uint64_t digest = 0;        // order-free sum over key, value, type, version, create version, expiry

  StoreTotals& operator+=(const StoreTotals& other) noexcept;
  friend bool operator==(const StoreTotals&, const StoreTotals&) = default;
};

// A key's place in a table: seeded anew in every process; not for files.
std::uint64_t table_hash(std::string_view key) noexcept;

// A key with its hashes, computed before any lock is taken. A view: the caller keeps the bytes.
struct HashedKey {
  explicit HashedKey(std::string_view key) noexcept;
  std::string_view key;
  std::uint64_t hash;   // table_hash
  std::uint64_t order;  // content_hash, the same everywhere: its highest bits choose the shard (store/walk.h)
};

// A value with what the digest needs of it. Make it before taking the lock: a large value takes its time.
struct HashedValue {
  HashedValue(std::string_view value) noexcept;  // implicit, for callers who do not care
  HashedValue(std::string_view text, std::uint64_t known_hash) noexcept : value(text), hash(known_hash) {}
  std::string_view value;
  std::uint64_t hash;  // content_hash
};

struct Shard;

// A new block that is ready but not visible, freed when it is dropped unpublished, at any time; or what will be put
// into the block of an entry that is there.
class PreparedPut {
 public:
  PreparedPut(PreparedPut&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        hashes_(other.hashes_),
        over_(std::exchange(other.over_, nullptr)),
        value_(other.value_),
        expire_at_(other.expire_at_) {}
  PreparedPut& operator=(PreparedPut&& other) noexcept;
  ~PreparedPut();

  // What will be published; it has no version yet. Not of prepare_over().
  const Entry& entry() const noexcept { return *block_; }

 private:
  friend struct Shard;
  struct Hashes {
    std::uint64_t place = 0;  // HashedKey::hash
    std::uint64_t key = 0;    // HashedKey::order
    std::uint64_t value = 0;  // HashedValue::hash
  };
  explicit PreparedPut(const Hashes& hashes) noexcept : hashes_(hashes) {}
  Entry* block_ = nullptr;
  Hashes hashes_;
  Entry* over_ = nullptr;  // to be overwritten, without a block: with these
  std::string_view value_ = {};
  UnixMillis expire_at_ = kNoExpiry;
};

class ReadLock {
 public:
  // Null when the key is missing or due at `now`.
  const Entry* find(const HashedKey& key, UnixMillis now) const noexcept;
  // The newest revision at which a key of this shard was removed: what a miss may reveal.
  Revision last_removal() const noexcept;
  // Whether a key of this shard is due one day. While none is, its keys are the same at every moment.
  bool expires() const noexcept;
  // Ask for the memory that finding the key will touch, and wait for none of it. Each needs what the one before asked
  // for, so others' keys come in between: the group of the table with its first slots, the key's slot, and the entry.
  void prefetch_group(const HashedKey& key) const noexcept;
  void prefetch_slot(const HashedKey& key) const noexcept;
  void prefetch_entry(const HashedKey& key) const noexcept;
  // Every entry that is not due, in no order.
  void for_each(UnixMillis now, const std::function<void(const Entry&)>& visit) const;

  ReadLock(ReadLock&& other) noexcept : shard_(std::exchange(other.shard_, nullptr)) {}
  ReadLock& operator=(ReadLock&&) = delete;
  ~ReadLock();

 private:
  friend class Store;
  explicit ReadLock(const Shard& shard) noexcept;
  ReadLock(const Shard& shard, std::adopt_lock_t) noexcept : shard_(&shard) {}
  const Shard* shard_;
};

class WriteLock {
 public:
  const Entry* find(const HashedKey& key, UnixMillis now) const noexcept;
  // The entry even if it is due; a write to a due key logs its kExpire first, and erases it before it publishes.
  const Entry* find_even_due(const HashedKey& key) const noexcept;
  Revision last_removal() const noexcept;
  bool expires() const noexcept;

  // Everything that can fail, for "key := value". Copies both. Throws std::bad_alloc; then nothing has changed.
  // Several may be prepared before the first is published; those of the same key are then published with one
  // revision. Neither key nor value may have 2^32 bytes or more.
  PreparedPut prepare_put(const HashedKey& key, const HashedValue& value, ValueType type, UnixMillis expire_at);
  // The same over an entry of that key that was found under this lock and stays until this is published, before
  // anything else of the key is prepared. What fits into its block is only written there, by publish(): `value` lives
  // until then, and may be the entry's own.
  PreparedPut prepare_over(const Entry& present, const HashedKey& key, const HashedValue& value, ValueType type,
                           UnixMillis expire_at);
  // The same for "the value stays, the expiry becomes `expire_at`", of an entry found under this lock.
  PreparedPut prepare_expiry(const Entry& entry, UnixMillis expire_at);
  // Makes it visible as version `revision`, under the lock that prepared it. create_version is kept from an entry of
  // that key, else `revision`.
  void publish(PreparedPut&& prepared, Revision revision) noexcept;
  // Removes an entry found under this lock.
  void erase(const Entry& entry, Revision revision) noexcept;

  WriteLock(WriteLock&& other) noexcept
      : shard_(std::exchange(other.shard_, nullptr)), unpublished_(other.unpublished_) {}
  WriteLock& operator=(WriteLock&&) = delete;
  ~WriteLock();

 private:
  friend class Store;
  explicit WriteLock(Shard& shard) noexcept;
  Shard* shard_;
  std::size_t unpublished_ = 0;  // at most so many prepared changes will still be published under this lock
};

class Store;

// Every shard locked for writing, in index order: a quiet point. Taking and releasing it does not allocate.
class LockedAll {
 public:
  LockedAll(LockedAll&& other) noexcept : store_(std::exchange(other.store_, nullptr)) {}
  LockedAll& operator=(LockedAll&&) = delete;
  ~LockedAll();

 private:
  friend class Store;
  explicit LockedAll(Store& store) noexcept;
  Store* store_;
};

struct StoreOptions {
  std::size_t shard_count = 64;  // a power of two, 1 to 65536
  RequestBounds requests = {};
};

class Store {
 public:
  explicit Store(StoreOptions options);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  std::size_t shard_count() const noexcept;
  std::size_t shard_of(const HashedKey& key) const noexcept;

  ReadLock read(const HashedKey& key) const;
  ReadLock read_shard(std::size_t index) const;
  // Empty when a writer has the shard or waits for it.
  std::optional<ReadLock> try_read_shard(std::size_t index) const;
  WriteLock write(const HashedKey& key);
  WriteLock write_shard(std::size_t index);
  LockedAll lock_all();
  // The answers of writes that carried a request id; at every revision it is what the entries are.
  RequestWindow& requests() noexcept;
  const RequestWindow& requests() const noexcept;

  // Before serving, or replaying a log: applies one resolved change. Does nothing when the key has a version above
  // `revision`. An equal one is applied, because a record may change one key several times under its one revision; so
  // a whole record applied twice gives the same state.
  void apply(const Mutation& mutation, Revision revision);
  // Loading a snapshot, from several threads at once. reserve() first, with the number the header promises. Of two
  // entries with one key the newer version stays.
  void reserve(std::uint64_t keys);
  void load(const LoadedEntry& entry);
  // Back to an empty store, the newest removals and the request ids forgotten. Every lock in turn, not all at once.
  void clear();

  // Appends up to `keys_max` keys of the shard that are due at `now`, the earliest first, each once. They stay due, and
  // are found again, until their removal is published.
  void collect_due(std::size_t shard, UnixMillis now, std::size_t keys_max, std::vector<std::string>& keys);
  // The earliest expiry time in the store or in one shard, or kNoExpiry. May be too early (a stale hint, which
  // collect_due at that time corrects), never too late. Takes no lock.
  UnixMillis next_expiry() const noexcept;
  UnixMillis next_expiry(std::size_t shard) const noexcept;

  // totals().memory_bytes, give or take 256 KiB (a KiB for each shard above 256), for the price of one load.
  std::uint64_t memory_bytes_about() const noexcept;
  // What walks make writers keep (store/walk.h), which is in no other figure; an entry that several keep counts for
  // each.
  std::uint64_t bytes_kept_for_walks() const noexcept;
  // Shard by shard: exact only while nothing is written.
  StoreTotals totals() const;
  // Totals without taking a lock: for a holder of LockedAll, and for the forked child.
  StoreTotals totals_frozen() const noexcept;
  StoreTotals totals_frozen(std::size_t shard) const noexcept;
  // Every entry, due ones included, in no order, without a lock and without an allocation. Visit: void(const Entry&).
  // Defined inline in store/frozen_walk.h, which only the snapshot writer and tests include.
  template <class Visit>
  void for_each_frozen(Visit&& visit) const;

 private:
  friend class LockedAll;
  friend class StoreWalk;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kv
