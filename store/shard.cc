#include "store/shard.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace kv {
namespace {

// How many slots of a table may be used: seven eighths, and one less in a table of seven, for the machines where absl
// needs that.
std::size_t usable_slots(std::size_t capacity) noexcept { return capacity - capacity / 8 - (capacity == 7 ? 1 : 0); }

// The smallest table for so many keys; capacities are powers of two less one.
std::size_t capacity_for(std::size_t keys) noexcept {
  std::size_t capacity = 1;
  while (usable_slots(capacity) < keys) capacity = capacity * 2 + 1;
  return capacity;
}

}  // namespace

const Entry* Shard::find(const TableKey& key, UnixMillis now) const noexcept {
  const Entry* entry = find_even_due(key);
  return entry != nullptr && !entry->due(now) ? entry : nullptr;
}

const Entry* Shard::find_even_due(const TableKey& key) const noexcept {
  const auto found = table.find(key);
  return found == table.end() ? nullptr : found->entry.get();
}

const Entry* Shard::find_hash(std::uint64_t hash) const noexcept {
  const auto found = table.find(KeyHash{hash});
  return found == table.end() ? nullptr : found->entry.get();
}

template <class Change>
void Shard::resize_table(std::size_t capacity, Change change) {
  constexpr std::size_t kGroupSlack = 64;  // absl's control bytes: one a slot, and some for the last group
  memory.keep_ready(capacity * (sizeof(Slot) + 1) + kGroupSlack);
  change();
  memory.drop_ready();
  free_slots_ = usable_slots(table.capacity()) - table.size();
}

void Shard::reserve_slots(std::size_t count) {
  if (count <= free_slots_) return;
  const std::size_t usable = usable_slots(table.capacity());
  // With few keys in it the table may only be full of deleted slots, and is rebuilt at the same size. The margin keeps
  // a table that is nearly full from being rebuilt again and again.
  const bool roomy = table.size() + count <= usable - usable / 8;
  const std::size_t capacity =
      roomy ? table.capacity() : std::max(capacity_for(table.size() + count), table.capacity() * 2 + 1);
  resize_table(capacity, [&] { table.reserve(usable_slots(capacity)); });
  assert(count <= free_slots_);
}

EntryBuilder::Parts Shard::parts_of(const Entry* present, const HashedKey& key, const HashedValue& value,
                                    ValueType type, UnixMillis expire_at) const noexcept {
  return {.key = key.key,
          .value = value.value,
          .value_hash = value.hash,
          .type = type,
          .expire_at = expire_at,
          .delta = present == nullptr ? DeltaWidth::kNone
                                      : EntryBuilder::width_for(present->create_version(), revision_hint->get())};
}

PreparedPut Shard::prepare(const Entry* present, const HashedKey& key, const HashedValue& value, ValueType type,
                           UnixMillis expire_at, std::size_t unpublished) {
  PreparedPut prepared({key.hash, key.order, value.hash});
  prepared.block_ = EntryBuilder::build(parts_of(present, key, value, type, expire_at));
  reserve_slots(unpublished);
  if (expire_at != kNoExpiry) expiry.reserve(unpublished);
  return prepared;
}

PreparedPut Shard::prepare_over(const Entry& present, const HashedKey& key, const HashedValue& value, ValueType type,
                                UnixMillis expire_at, std::size_t unpublished) {
  // A walk may still want the entry as it is.
  if (watches != nullptr || !EntryBuilder::fits(present, parts_of(&present, key, value, type, expire_at)))
    return prepare(&present, key, value, type, expire_at, unpublished);
  PreparedPut prepared({key.hash, key.order, value.hash});
  prepared.over_ = const_cast<Entry*>(&present);
  prepared.value_ = value.value;
  prepared.expire_at_ = expire_at;
  if (expire_at != kNoExpiry) expiry.reserve(unpublished);
  return prepared;
}

void Shard::publish(PreparedPut&& prepared, Revision revision) noexcept {
  if (prepared.over_ != nullptr) return overwrite(prepared, revision);
  EntryPointer entry(std::exchange(prepared.block_, nullptr));
  const auto found = table.find(TableKey(entry->key(), prepared.hashes_.place));
  const Slot* present = found == table.end() ? nullptr : &*found;
  EntryBuilder::stamp(*entry, revision, present == nullptr ? revision : present->entry->create_version());
  put(std::move(entry), present, prepared.hashes_);
}

// Neither its key nor any length changes, and so nothing that is counted.
void Shard::overwrite(const PreparedPut& prepared, Revision revision) noexcept {
  Entry& entry = *prepared.over_;
  assert(watches == nullptr);
  const LoadedEntry before = entry.fields();  // Its texts are those of the block, until that is written to.
  DigestedEntry digested{.key_hash = prepared.hashes_.key,
                         .value_hash = entry.value_hash(),
                         .type = before.type,
                         .version = before.version,
                         .create_version = before.create_version,
                         .expire_at = before.expire_at};
  digest -= entry_digest(digested);
  EntryBuilder::overwrite(entry, prepared.value_, prepared.hashes_.value, prepared.expire_at_);
  EntryBuilder::stamp(entry, revision, before.create_version);
  digested.value_hash = prepared.hashes_.value;
  digested.version = revision;
  digested.expire_at = prepared.expire_at_;
  digest += entry_digest(digested);
  assert(entry_digest(digested) == entry.digest());
  note_revision(revision);
  note_expiry(before.expire_at, prepared.expire_at_, prepared.hashes_.place);
}

void Shard::load(const LoadedEntry& loaded, const HashedKey& key, const HashedValue& value) {
  const auto found = table.find(TableKey(key));
  if (found != table.end() && found->entry->version() >= loaded.version) return;
  const bool created_here = loaded.version == loaded.create_version;
  EntryPointer entry(EntryBuilder::build({
      .key = loaded.key,
      .value = loaded.value,
      .value_hash = value.hash,
      .type = loaded.type,
      .expire_at = loaded.expire_at,
      .delta = created_here ? DeltaWidth::kNone : EntryBuilder::width_for(loaded.create_version, loaded.version),
  }));
  EntryBuilder::stamp(*entry, loaded.version, loaded.create_version);
  if (entry->expires()) expiry.reserve(1);
  const bool present = found != table.end();
  if (!present) reserve_slots(1);  // which may move all slots
  put(std::move(entry), present ? &*found : nullptr, {key.hash, key.order, value.hash});
}

void Shard::put(EntryPointer entry, const Slot* present, const PreparedPut::Hashes& hashes) noexcept {
  const UnixMillis expire_at = entry->expire_at();
  const UnixMillis before = present == nullptr ? kNoExpiry : present->entry->expire_at();
  count_in(*entry, entry->digest(hashes.key, hashes.value));
  note_revision(entry->version());
  if (present == nullptr) {
    insert(std::move(entry), hashes.place);
  } else {
    count_out(*present->entry, hashes.key);
    replace(*present, std::move(entry));
  }
  note_expiry(before, expire_at, hashes.place);
}

void Shard::insert(EntryPointer entry, std::uint64_t hash) noexcept {
  const TableKey key(entry->key(), hash);
  table.lazy_emplace(key, [&entry](const auto& construct) { construct(Slot{std::move(entry)}); });
  assert(free_slots_ > 0);
  --free_slots_;
}

void Shard::replace(const Slot& slot, EntryPointer entry) noexcept {
  const Revision revision = entry->version();
  EntryPointer old = std::exchange(slot.entry, std::move(entry));
  if (watches != nullptr) {
    keep_for_walks(std::move(old), revision);
  } else {
    EntryBuilder::replaced(old.release());
  }
}

void Shard::note_revision(Revision revision) noexcept {
  newest = std::max(newest, revision);
  revision_hint->note(revision);
}

// `before` is the time under which the index knows the key already.
void Shard::note_expiry(UnixMillis before, UnixMillis expire_at, std::uint64_t hash) noexcept {
  if (expire_at != kNoExpiry && (before == kNoExpiry || before > expire_at)) expiry.add(expire_at, hash);
  if (before != kNoExpiry) expiry.bound(expiring_keys, [this](std::uint64_t wanted) { return find_hash(wanted); });
}

void Shard::erase(const Entry& entry, Revision revision) noexcept {
  const auto found = table.find(TableKey(entry.key(), table_hash(entry.key())));
  assert(found != table.end() && found->entry.get() == &entry);
  const bool expired = entry.expires();
  count_out(entry, content_hash(entry.key()));
  if (watches != nullptr) keep_for_walks(std::move(found->entry), revision);
  table.erase(found);
  last_removal = std::max(last_removal, revision);
  if (expired) expiry.bound(expiring_keys, [this](std::uint64_t wanted) { return find_hash(wanted); });
}

void Shard::trim() noexcept {
  expiry.trim();
  const bool wasteful =
      table.empty() ? table.capacity() > 0 : table.capacity() > 64 && table.size() * 16 < table.capacity();
  if (!wasteful) return;
  try {
    resize_table(capacity_for(table.size()), [this] { table.rehash(0); });
  } catch (const std::bad_alloc&) {
    return;  // The memory stays with the table: trimming is a favour, not a duty.
  }
}

void Shard::clear() noexcept {
  assert(watches == nullptr);
  for (const Slot& slot : table) count_out(*slot.entry, content_hash(slot.entry->key()));
  table.clear();
  table.rehash(0);  // Of an empty table: frees it.
  free_slots_ = 0;
  expiry.bound(0, [](std::uint64_t) { return nullptr; });
  expiry.trim();
  last_removal = 0;
}

void Shard::collect_due(UnixMillis now, std::size_t keys_max, std::vector<std::string>& keys) {
  expiry.collect(
      now, keys_max, [this](std::uint64_t hash) { return find_hash(hash); },
      [&keys](const Entry& entry) { keys.emplace_back(entry.key()); });
}

void Shard::count_in(const Entry& entry, std::uint64_t entry_sum) noexcept {
  digest += entry_sum;
  memory.count_in(const_cast<Entry*>(&entry), entry.block_bytes());
  data_bytes += entry.key().size() + entry.value().size();
  if (entry.expires()) ++expiring_keys;
}

void Shard::count_out(const Entry& entry, std::uint64_t key_hash) noexcept {
  digest -= entry.digest(key_hash, entry.value_hash());
  memory.count_out(const_cast<Entry*>(&entry), entry.block_bytes());
  data_bytes -= entry.key().size() + entry.value().size();
  if (entry.expires()) --expiring_keys;
}

StoreTotals Shard::totals() const noexcept {
  return {table.size(), expiring_keys, data_bytes, memory.bytes() + sizeof *this, digest};
}

}  // namespace kv
