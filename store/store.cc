#include "store/store.h"

#include <bit>
#include <cassert>
#include <chrono>
#include <mutex>
#include <shared_mutex>

#include <sys/random.h>

#include "store/shard.h"

namespace kv {
namespace {

// Tables are seeded anew in every process, so that nobody can prepare keys that all fall into one place.
std::uint64_t random_seed() noexcept {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) == sizeof seed) return seed;
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

const std::uint64_t table_seed = random_seed();

}  // namespace

std::uint64_t table_hash(std::string_view key) noexcept { return checksum64(as_bytes(key), table_seed); }

HashedKey::HashedKey(std::string_view text) noexcept : key(text), hash(table_hash(text)), order(content_hash(text)) {}

HashedValue::HashedValue(std::string_view text) noexcept : value(text), hash(content_hash(text)) {}

StoreTotals& StoreTotals::operator+=(const StoreTotals& other) noexcept {
  keys += other.keys;
  expiring_keys += other.expiring_keys;
  data_bytes += other.data_bytes;
  memory_bytes += other.memory_bytes;
  digest += other.digest;
  return *this;
}

PreparedPut::~PreparedPut() { EntryBuilder::free(block_); }

PreparedPut& PreparedPut::operator=(PreparedPut&& other) noexcept {
  std::swap(block_, other.block_);
  std::swap(hashes_, other.hashes_);
  std::swap(over_, other.over_);
  std::swap(value_, other.value_);
  std::swap(expire_at_, other.expire_at_);
  return *this;
}

Store::State::State(std::size_t count, RequestBounds bounds)
    : shard_count(count),
      requests(bounds),
      shard_shift(count == 1 ? 63 : static_cast<unsigned>(64 - std::countr_zero(count))),
      shared_bytes(count),
      shards(std::make_unique<Shard[]>(count)) {
  for (std::size_t index = 0; index < count; ++index) {
    shards[index].revision_hint = &revision_hint;
    shards[index].shared_bytes = &shared_bytes;
  }
}

Shard& Store::State::shard_of(const HashedKey& key) const noexcept {
  return shards[(key.order >> shard_shift) & (shard_count - 1)];
}

Store::Store(StoreOptions options) : state_(std::make_unique<State>(options.shard_count, options.requests)) {
  assert(std::has_single_bit(options.shard_count) && options.shard_count <= 65536);
}

Store::~Store() = default;

std::size_t Store::shard_count() const noexcept { return state_->shard_count; }
std::size_t Store::shard_of(const HashedKey& key) const noexcept {
  return static_cast<std::size_t>(&state_->shard_of(key) - state_->shards.get());
}

ReadLock Store::read(const HashedKey& key) const { return ReadLock(state_->shard_of(key)); }
ReadLock Store::read_shard(std::size_t index) const { return ReadLock(state_->shards[index]); }
std::optional<ReadLock> Store::try_read_shard(std::size_t index) const {
  const Shard& shard = state_->shards[index];
  if (!shard.lock.try_lock_shared()) return std::nullopt;
  return ReadLock(shard, std::adopt_lock);
}
WriteLock Store::write(const HashedKey& key) { return WriteLock(state_->shard_of(key)); }
WriteLock Store::write_shard(std::size_t index) { return WriteLock(state_->shards[index]); }
LockedAll Store::lock_all() { return LockedAll(*this); }
RequestWindow& Store::requests() noexcept { return state_->requests; }
const RequestWindow& Store::requests() const noexcept { return state_->requests; }

void Store::apply(const Mutation& mutation, Revision revision) {
  const HashedKey key(mutation.key);
  const HashedValue value(mutation.value);
  WriteLock lock = write(key);
  const Entry* entry = lock.find_even_due(key);
  if (entry != nullptr && entry->version() > revision) return;
  switch (mutation.kind) {
    case MutationKind::kSet:
      if (entry == nullptr)
        return lock.publish(lock.prepare_put(key, value, mutation.type, mutation.expire_at), revision);
      return lock.publish(lock.prepare_over(*entry, key, value, mutation.type, mutation.expire_at), revision);
    case MutationKind::kSetExpiry: {
      if (entry == nullptr) return;
      const HashedValue same(entry->value(), entry->value_hash());
      return lock.publish(lock.prepare_over(*entry, key, same, entry->type(), mutation.expire_at), revision);
    }
    case MutationKind::kDelete:
    case MutationKind::kExpire:
    case MutationKind::kEvict:
      if (entry != nullptr) lock.erase(*entry, revision);
      return;
  }
}

void Store::reserve(std::uint64_t keys) {
  // Hashing spreads keys evenly, not exactly: a sixteenth more than the average is enough for most shards.
  const std::uint64_t share = keys / state_->shard_count;
  for (std::size_t index = 0; index < state_->shard_count; ++index) {
    Shard& shard = state_->shards[index];
    const std::lock_guard lock(shard.lock);  // No WriteLock: it would trim what is reserved.
    shard.reserve_slots(share + share / 16);
    shard.tell_bytes();
  }
}

void Store::load(const LoadedEntry& entry) {
  const HashedKey key(entry.key);
  const HashedValue value(entry.value);
  Shard& shard = state_->shard_of(key);
  const std::lock_guard lock(shard.lock);
  shard.load(entry, key, value);
  shard.tell_bytes();
}

void Store::clear() {
  for (std::size_t index = 0; index < state_->shard_count; ++index) {
    Shard& shard = state_->shards[index];
    const std::lock_guard lock(shard.lock);
    shard.clear();
    shard.tell_bytes();
  }
  state_->requests.clear();
}

void Store::collect_due(std::size_t shard, UnixMillis now, std::size_t keys_max, std::vector<std::string>& keys) {
  const std::lock_guard lock(state_->shards[shard].lock);
  state_->shards[shard].collect_due(now, keys_max, keys);
}

UnixMillis Store::next_expiry() const noexcept {
  UnixMillis earliest = kNoExpiry;
  for (std::size_t index = 0; index < state_->shard_count; ++index) {
    const UnixMillis next = next_expiry(index);
    if (next != kNoExpiry && (earliest == kNoExpiry || next < earliest)) earliest = next;
  }
  return earliest;
}

UnixMillis Store::next_expiry(std::size_t shard) const noexcept { return state_->shards[shard].expiry.next(); }

std::uint64_t Store::bytes_kept_for_walks() const noexcept {
  return state_->kept_for_walks.load(std::memory_order_relaxed);
}

std::uint64_t Store::memory_bytes_about() const noexcept { return state_->shared_bytes.get(); }

StoreTotals Store::totals() const {
  StoreTotals sum;
  for (std::size_t index = 0; index < state_->shard_count; ++index) {
    const std::shared_lock lock(state_->shards[index].lock);
    sum += totals_frozen(index);
  }
  return sum;
}

StoreTotals Store::totals_frozen() const noexcept {
  StoreTotals sum;
  for (std::size_t index = 0; index < state_->shard_count; ++index) sum += totals_frozen(index);
  return sum;
}

StoreTotals Store::totals_frozen(std::size_t shard) const noexcept { return state_->shards[shard].totals(); }

}  // namespace kv
