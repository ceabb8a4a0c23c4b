// When the keys of one shard are due: a heap of (time, key hash), sixteen bytes each, earliest first.
//
// Hard part: a heap cannot remove from its middle. So nothing is removed when a key is deleted or gets a later time;
// an item is only a hint, and is compared with the entry when its time has come. The invariant: every entry that
// expires has an item no later than its expiry. A time that is moved on again and again, as sessions do, then
// adds no item at all. Hints whose entries are gone are dropped when they come up, or all at once when they are most of
// the heap.
//
// The index knows entries by the 64-bit hash of the key. Of two keys with one hash one may be collected late, or
// only when somebody touches it; it is invisible in time all the same.
//
// Threads:  under the shard's lock, but for next().
// Errors:   only reserve() can fail (std::bad_alloc).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "store/counting_allocator.h"
#include "store/entry.h"

namespace kv {

class ExpiryIndex {
 public:
  // `memory` counts the heap's memory.
  explicit ExpiryIndex(MemoryCount* memory) noexcept : heap_(CountingAllocator<Item>(memory)) {}

  // Room for `count` more items.
  void reserve(std::size_t count);
  void add(UnixMillis at, std::uint64_t hash) noexcept;

  // Passes up to `keys_max` due entries to `emit`, earliest first, each once, and keeps them. `find` gives the entry of
  // a hash, or null.
  template <class Find, class Emit>
  void collect(UnixMillis now, std::size_t keys_max, Find find, Emit emit);
  // Drops hints of entries that are gone, when they outnumber the `live` entries that expire.
  template <class Find>
  void bound(std::size_t live, Find find) noexcept;

  UnixMillis next() const noexcept { return next_.load(std::memory_order_relaxed); }
  std::size_t size() const noexcept { return heap_.size(); }
  // Gives back memory that the present size does not need; what reserve() promised is gone then.
  void trim() noexcept;

 private:
  struct Item {
    UnixMillis at;
    std::uint64_t hash;
    friend bool operator==(const Item&, const Item&) = default;
  };
  using Heap = std::vector<Item, CountingAllocator<Item>>;

  static bool later(const Item& a, const Item& b) noexcept {
    return a.at != b.at ? a.at > b.at : a.hash > b.hash;  // The hash too, so that doubles come up together.
  }
  void push(Item item) noexcept {
    heap_.push_back(item);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  Item pop() noexcept {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Item item = heap_.back();
    heap_.pop_back();
    return item;
  }
  // Called after every change.
  void show_next() noexcept { next_.store(heap_.empty() ? kNoExpiry : heap_.front().at, std::memory_order_relaxed); }
  Heap heap_;
  std::atomic<UnixMillis> next_{kNoExpiry};
};

template <class Find, class Emit>
void ExpiryIndex::collect(UnixMillis now, std::size_t keys_max, Find find, Emit emit) {
  std::vector<Item> due;
  due.reserve(std::min(keys_max, heap_.size()));  // From here to the last push nothing throws.
  std::vector<const Entry*> entries;
  entries.reserve(due.capacity());
  while (!heap_.empty() && heap_.front().at <= now && due.size() < keys_max) {
    const Item item = pop();
    if (!due.empty() && due.back() == item) continue;
    const Entry* entry = find(item.hash);
    if (entry == nullptr || !entry->expires()) continue;
    if (entry->expire_at() > item.at) {
      push({entry->expire_at(), item.hash});
    } else if (entry->expire_at() == item.at) {
      due.push_back(item);
      entries.push_back(entry);
    }  // Else a hint from before the time was moved nearer: the nearer item is there too.
  }
  for (const Item& item : due) push(item);
  show_next();
  for (const Entry* entry : entries) emit(*entry);
}

template <class Find>
void ExpiryIndex::bound(std::size_t live, Find find) noexcept {
  constexpr std::size_t kSlack = 64;
  if (heap_.size() <= 2 * live + kSlack && live != 0) return;
  std::size_t kept = 0;
  for (const Item& item : heap_) {
    const Entry* entry = live == 0 ? nullptr : find(item.hash);
    if (entry != nullptr && entry->expires() && entry->expire_at() >= item.at)
      heap_[kept++] = {entry->expire_at(), item.hash};
  }
  heap_.erase(heap_.begin() + static_cast<std::ptrdiff_t>(kept), heap_.end());
  std::sort(heap_.begin(), heap_.end(), [](const Item& a, const Item& b) { return later(b, a); });
  heap_.erase(std::unique(heap_.begin(), heap_.end()), heap_.end());  // Sorted is a heap already.
  show_next();
}

}  // namespace kv
