// The three ways to hold shards: ReadLock, WriteLock, LockedAll.
#include "store/shard.h"
#include "store/store.h"

namespace kv {

ReadLock::ReadLock(const Shard& shard) noexcept : shard_(&shard) { shard.lock.lock_shared(); }
ReadLock::~ReadLock() {
  if (shard_ != nullptr) shard_->lock.unlock();
}

const Entry* ReadLock::find(const HashedKey& key, UnixMillis now) const noexcept { return shard_->find(key, now); }
void ReadLock::prefetch_group(const HashedKey& key) const noexcept { shard_->table.prefetch(TableKey(key)); }
void ReadLock::prefetch_slot(const HashedKey& key) const noexcept {
  static_cast<void>(shard_->table.contains(SlotPrefetch{key.hash}));
}
void ReadLock::prefetch_entry(const HashedKey& key) const noexcept {
  static_cast<void>(shard_->table.contains(EntryPrefetch{key.hash}));
}
Revision ReadLock::last_removal() const noexcept { return shard_->last_removal; }

bool ReadLock::expires() const noexcept { return shard_->expiry.next() != kNoExpiry; }
void ReadLock::for_each(UnixMillis now, const std::function<void(const Entry&)>& visit) const {
  for (const Slot& slot : shard_->table) {
    if (!slot.entry->due(now)) visit(*slot.entry);
  }
}

WriteLock::WriteLock(Shard& shard) noexcept : shard_(&shard) { shard.lock.lock(); }
WriteLock::~WriteLock() {
  if (shard_ == nullptr) return;
  shard_->trim();
  shard_->tell_bytes();
  shard_->lock.unlock();
}

const Entry* WriteLock::find(const HashedKey& key, UnixMillis now) const noexcept { return shard_->find(key, now); }
const Entry* WriteLock::find_even_due(const HashedKey& key) const noexcept { return shard_->find_even_due(key); }
Revision WriteLock::last_removal() const noexcept { return shard_->last_removal; }

bool WriteLock::expires() const noexcept { return shard_->expiry.next() != kNoExpiry; }

PreparedPut WriteLock::prepare_put(const HashedKey& key, const HashedValue& value, ValueType type,
                                   UnixMillis expire_at) {
  PreparedPut prepared = shard_->prepare(shard_->find_even_due(key), key, value, type, expire_at, unpublished_ + 1);
  ++unpublished_;
  return prepared;
}

PreparedPut WriteLock::prepare_over(const Entry& present, const HashedKey& key, const HashedValue& value,
                                    ValueType type, UnixMillis expire_at) {
  PreparedPut prepared = shard_->prepare_over(present, key, value, type, expire_at, unpublished_ + 1);
  ++unpublished_;
  return prepared;
}

PreparedPut WriteLock::prepare_expiry(const Entry& entry, UnixMillis expire_at) {
  return prepare_put(HashedKey(entry.key()), entry.value(), entry.type(), expire_at);
}

void WriteLock::publish(PreparedPut&& prepared, Revision revision) noexcept {
  shard_->publish(std::move(prepared), revision);
  --unpublished_;
}

void WriteLock::erase(const Entry& entry, Revision revision) noexcept { shard_->erase(entry, revision); }

LockedAll::LockedAll(Store& store) noexcept : store_(&store) {
  for (std::size_t index = 0; index < store.state_->shard_count; ++index) store.state_->shards[index].lock.lock();
}
LockedAll::~LockedAll() {
  if (store_ == nullptr) return;
  for (std::size_t index = store_->state_->shard_count; index-- > 0;) store_->state_->shards[index].lock.unlock();
}

}  // namespace kv
