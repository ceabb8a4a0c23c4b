#include "store/walk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "store/shard.h"

namespace kv {
namespace {

// What one step may cost: some tens of microseconds, most of them for memory that no cache holds.
constexpr std::size_t kJudgedPerStep = 256;
constexpr std::size_t kShownPerStep = 128;
constexpr std::size_t kShownBytesPerStep = 256 << 10;
constexpr std::size_t kDroppedPerStep = 512;
constexpr std::size_t kDetachedPerStep = 64;
constexpr std::size_t kPrefetchAhead = 8;
// Sorting is done bucket by bucket; one of this size takes microseconds.
constexpr std::size_t kItemsPerBucket = 256;
constexpr std::uint64_t kTieSeed = 0x6b76'2d77'616c'6b20;

// The first place that is behind `place`.
WalkPlace behind(WalkPlace place) noexcept {
  if (++place.tie == 0) ++place.order;
  return place;
}

}  // namespace

WalkPlace walk_place_of(std::string_view key) noexcept {
  return {content_hash(key), checksum64(as_bytes(key), kTieSeed)};
}

// ---- The watch, as writers meet it -------------------------------------------------------------------------------

void ShardWatch::keep(const std::shared_ptr<const Entry>& entry, Revision replaced) noexcept {
  try {
    old.push_front({entry, replaced});
  } catch (const std::bad_alloc&) {
    terms->spent.store(true, std::memory_order_relaxed);
    return;
  }
  const std::size_t bytes = OldEntry::bytes_of(*entry);
  terms->bytes_of_all.fetch_add(bytes, std::memory_order_relaxed);
  const std::size_t before = terms->bytes.fetch_add(bytes, std::memory_order_relaxed);
  if (before + bytes > terms->bytes_max) terms->spent.store(true, std::memory_order_relaxed);
}

void Shard::keep_for_walks(EntryPointer old, Revision replaced) noexcept {
  const auto wanted = [&entry = *old](const ShardWatch* watch) { return watch->wants(entry); };
  ShardWatch* watch = watches;
  while (watch != nullptr && !wanted(watch)) watch = watch->next;
  if (watch == nullptr) return;
  try {
    const std::shared_ptr<const Entry> shared = std::move(old);
    for (; watch != nullptr; watch = watch->next) {
      if (wanted(watch)) watch->keep(shared, replaced);
    }
  } catch (const std::bad_alloc&) {
    for (; watch != nullptr; watch = watch->next) watch->terms->spent.store(true, std::memory_order_relaxed);
  }
}

// ---- The walk ----------------------------------------------------------------------------------------------------

StoreWalk::StoreWalk(Store& store, Clock& clock, WalkOptions options, WalkPlace from)
    : store_(store),
      clock_(clock),
      options_(std::move(options)),
      terms_(options_.range, options_.budget_bytes, store.state_->kept_for_walks),
      from_(from),
      first_shard_(shard_bits() == 0 ? 0 : from.order >> (64 - shard_bits())),
      shard_(first_shard_),
      watched_from_(first_shard_),
      watched_to_(first_shard_) {}

StoreWalk::~StoreWalk() {
  while (!let_go()) {
  }
}

void StoreWalk::watch_all() {
  assert(phase_ == Phase::kList && watches_.empty());
  snapshot_ = true;
  watches_ = std::vector<ShardWatch>(store_.shard_count() - first_shard_);
  for (std::size_t shard = first_shard_; shard < store_.shard_count(); ++shard) {
    Shard& there = store_.state_->shards[shard];
    const std::lock_guard lock(there.lock);
    attach(shard, watches_[shard - first_shard_]);
  }
}

void StoreWalk::fix(Revision at) {
  now_ = clock_.now();
  terms_.at.store(at, std::memory_order_relaxed);
}

StoreWalk::Step StoreWalk::step(const Show& show) {
  switch (phase_) {
    case Phase::kList:
      return list();
    case Phase::kJudge:
      return judge();
    case Phase::kShow:
      return show_some(show);
    case Phase::kLeave:
      return leave();
    case Phase::kEnd:
      break;
  }
  return Step::kEnd;
}

// Notes where the entries lie. The shard is locked for one pass over the table alone, which touches no entry.
StoreWalk::Step StoreWalk::list() {
  Shard& shard = store_.state_->shards[shard_];
  std::size_t room = 0;
  {
    const std::shared_lock lock(shard.lock);
    room = shard.table.size();
  }
  listed_.clear();
  listed_.reserve(room + room / 8 + 64);  // What does not fit is taken as it comes.
  if (!snapshot_) {
    now_ = clock_.now();
    if (watches_.empty()) watches_ = std::vector<ShardWatch>(1);
    const std::lock_guard lock(shard.lock);
    attach(shard_, watch());
  }
  {
    const std::shared_lock lock(shard.lock);
    if (terms_.spent.load(std::memory_order_relaxed)) return spent();
    note_entries(shard);
  }
  note_old_entries();
  make_buckets(listed_.size());
  phase_ = Phase::kJudge;
  return Step::kGoOn;
}

// Under the shard's lock. Until they have been looked at, every entry noted here is kept, whatever it is.
void StoreWalk::note_entries(const Shard& shard) {
  for (const Slot& slot : shard.table) listed_.push_back(slot.entry.get());
  watch().limit = std::max<Revision>(shard.newest, 1);
  watch().all_keys = true;
  old_.swap(watch().old);
}

// What writers have replaced since the walk began, and what it shows in its place: the entry as it was at its revision.
void StoreWalk::note_old_entries() {
  const Revision at = terms_.at.load(std::memory_order_relaxed);
  for (const OldEntry& old : old_) {
    if (old.replaced > at) listed_.push_back(old.entry.get());
  }
}

// Looks at what was noted, and leaves what is to be shown.
StoreWalk::Step StoreWalk::judge() {
  std::array<Item, kJudgedPerStep> found;
  std::size_t count = 0;
  {
    const std::shared_lock lock(store_.state_->shards[shard_].lock);
    if (terms_.spent.load(std::memory_order_relaxed)) return spent();
    for (std::size_t looked = 0; looked < kJudgedPerStep && !listed_.empty(); ++looked) {
      if (listed_.size() > kPrefetchAhead) __builtin_prefetch(listed_[listed_.size() - 1 - kPrefetchAhead]);
      const Entry* entry = listed_.back();
      listed_.pop_back();
      if (!visible(*entry)) continue;
      ++examined_;
      WalkPlace place;
      if (wanted(*entry, place)) found[count++] = {place, entry};
    }
    if (listed_.empty()) {
      // From here on only what is to be shown is kept.
      if (snapshot_) watch().limit = 0;
      watch().all_keys = false;
      phase_ = Phase::kShow;
    }
  }
  const unsigned above = shard_bits();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t bucket = bucket_bits_ == 0 ? 0 : (found[i].place.order << above) >> (64 - bucket_bits_);
    buckets_[bucket].push_back(found[i]);
  }
  return Step::kGoOn;
}

bool StoreWalk::visible(const Entry& entry) const noexcept {
  return entry.version() <= terms_.at.load(std::memory_order_relaxed) && !entry.due(now_);
}

bool StoreWalk::wanted(const Entry& entry, WalkPlace& place) const {
  if (!options_.range.contains(entry.key())) return false;
  place = walk_place_of(entry.key());
  return !(place < from_) && (!options_.matches || options_.matches(entry));
}

StoreWalk::Step StoreWalk::show_some(const Show& show) {
  while (bucket_ < buckets_.size() && buckets_[bucket_].empty()) ++bucket_;
  if (bucket_ == buckets_.size()) {
    phase_ = Phase::kLeave;
    return leave();
  }
  std::vector<Item>& items = buckets_[bucket_];
  if (shown_ == 0) std::sort(items.begin(), items.end());
  std::size_t bytes = 0;
  bool full = false;
  {
    const std::shared_lock lock(store_.state_->shards[shard_].lock);
    if (terms_.spent.load(std::memory_order_relaxed)) return spent();
    const std::size_t last = std::min(items.size(), shown_ + kShownPerStep);
    for (; shown_ < last && bytes < kShownBytesPerStep; ++shown_) {
      if (shown_ + 1 < last) __builtin_prefetch(items[shown_ + 1].entry);
      const Item& item = items[shown_];
      full = !show(*item.entry);
      if (full) break;
      bytes += item.entry->block_bytes();
      const bool alone = shown_ + 1 == items.size() || items[shown_ + 1].place != item.place;
      from_ = alone ? behind(item.place) : item.place;
    }
  }
  if (full) return Step::kFull;
  if (shown_ == items.size()) {
    items = {};
    ++bucket_;
    shown_ = 0;
  }
  return Step::kGoOn;
}

StoreWalk::Step StoreWalk::leave() noexcept {
  if (watched_from_ <= shard_ && shard_ < watched_to_) {
    detach(shard_, watch());
    forget_shard();
  }
  if (!drop_some()) return Step::kGoOn;
  if (terms_.spent.load(std::memory_order_relaxed) && !snapshot_) {
    // Nobody watches and nothing is kept: the shard is looked at anew, from the place that was reached.
    terms_.spent.store(false, std::memory_order_relaxed);
    phase_ = Phase::kList;
    return Step::kGoOn;
  }
  ++shard_;
  phase_ = shard_ == store_.shard_count() ? Phase::kEnd : Phase::kList;
  if (phase_ == Phase::kEnd) return Step::kEnd;
  from_ = start_of(shard_);
  return Step::kGoOn;
}

StoreWalk::Step StoreWalk::spent() noexcept {
  if (snapshot_) return Step::kSpent;
  phase_ = Phase::kLeave;
  return Step::kGoOn;
}

bool StoreWalk::let_go() noexcept {
  phase_ = Phase::kEnd;
  for (std::size_t i = 0; i < kDetachedPerStep && watched_from_ < watched_to_; ++i) {
    const std::size_t shard = watched_from_;
    detach(shard, watches_[snapshot_ ? shard - first_shard_ : 0]);
  }
  forget_shard();
  return drop_some() && watched_from_ == watched_to_;
}

// ---- Its parts ---------------------------------------------------------------------------------------------------

unsigned StoreWalk::shard_bits() const noexcept {
  return static_cast<unsigned>(std::countr_zero(store_.shard_count()));
}

WalkPlace StoreWalk::start_of(std::size_t shard) const noexcept {
  const unsigned bits = shard_bits();
  return {bits == 0 ? 0 : std::uint64_t{shard} << (64 - bits), 0};
}

// Under the shard's lock, for writing.
void StoreWalk::attach(std::size_t shard, ShardWatch& watch) noexcept {
  watch.terms = &terms_;
  watch.limit = 0;
  watch.all_keys = false;
  watch.next = std::exchange(store_.state_->shards[shard].watches, &watch);
  if (watched_from_ == watched_to_) watched_from_ = shard;
  watched_to_ = shard + 1;
}

// Watches go in the order in which they came.
void StoreWalk::detach(std::size_t shard, ShardWatch& watch) noexcept {
  assert(shard == watched_from_);
  {
    Shard& there = store_.state_->shards[shard];
    const std::lock_guard lock(there.lock);
    ShardWatch** link = &there.watches;
    while (*link != &watch) link = &(*link)->next;
    *link = watch.next;
  }
  ++watched_from_;
  dropping_.splice_after(dropping_.before_begin(), watch.old);
}

void StoreWalk::forget_shard() noexcept {
  dropping_.splice_after(dropping_.before_begin(), old_);
  listed_.clear();
  buckets_.clear();
}

void StoreWalk::make_buckets(std::size_t items) {
  bucket_bits_ = static_cast<unsigned>(std::bit_width(items / kItemsPerBucket));
  buckets_.clear();
  buckets_.resize(std::size_t{1} << bucket_bits_);
  bucket_ = 0;
  shown_ = 0;
}

bool StoreWalk::drop_some() noexcept {
  for (std::size_t i = 0; i < kDroppedPerStep && !dropping_.empty(); ++i) {
    const std::size_t bytes = OldEntry::bytes_of(*dropping_.front().entry);
    terms_.bytes.fetch_sub(bytes, std::memory_order_relaxed);
    terms_.bytes_of_all.fetch_sub(bytes, std::memory_order_relaxed);
    dropping_.pop_front();
  }
  return dropping_.empty();
}

}  // namespace kv
