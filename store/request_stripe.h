// One stripe of the request window: ids in the order in which they came, and a table to find them by.
//
// For the window and for whoever walks it frozen; everybody else uses store/request_window.h.
// Threads: everything under `lock`, but for the frozen walk.
#pragma once

#include <deque>
#include <mutex>
#include <vector>

#include "store/counting_allocator.h"
#include "store/request_window.h"

namespace kv {

// What lies behind it does not count any more: as old as `time`, or numbered below `number`.
struct RequestHorizon {
  UnixMillis time = 0;
  std::uint64_t number = 0;
};

struct alignas(64) RequestStripe {
  struct Slot {
    RememberedRequest request;
    std::uint64_t number = 0;
    Slot* next = nullptr;  // in the same bucket, an older one

    bool behind(const RequestHorizon& horizon) const noexcept {
      return request.time <= horizon.time || number < horizon.number;
    }
  };

  RequestStripe()
      : slots(CountingAllocator<Slot>(&memory)),
        buckets(CountingAllocator<Slot*>(&memory)),
        bits(CountingAllocator<std::uint16_t>(&memory)) {}

  Slot* find(const RequestId& id, std::uint64_t hash) const noexcept;
  void prefetch(std::uint64_t hash) const noexcept;
  // Room for so many in the table, a power of two. Throws std::bad_alloc.
  void reserve(std::size_t count);
  // An empty slot behind all others. Throws std::bad_alloc.
  void take_place();
  void give_place_back() noexcept { slots.pop_back(); }
  // Fills the place that was taken.
  void fill(const RememberedRequest& request, std::uint64_t hash, std::uint64_t number) noexcept;
  // Up to `most` of the oldest, as long as they lie behind.
  std::size_t drop(const RequestHorizon& horizon, std::size_t most) noexcept;
  void clear() noexcept;

  mutable std::mutex lock;
  MemoryCount memory;                                    // before its users
  std::deque<Slot, CountingAllocator<Slot>> slots;       // oldest first
  std::vector<Slot*, CountingAllocator<Slot*>> buckets;  // the youngest of each; as many as a power of two
  // Of each bucket a bit for each hash that is in it, and for some that were: an id whose bit is missing is not looked
  // for in buckets and slots, which lie cold. Most ids are new.
  std::vector<std::uint16_t, CountingAllocator<std::uint16_t>> bits;
  UnixMillis crowded_out = 0;  // of the youngest that went for the bound on their number

 private:
  std::size_t bucket_of(std::uint64_t hash) const noexcept { return hash & (buckets.size() - 1); }
  static std::uint16_t bit_of(std::uint64_t hash) noexcept { return std::uint16_t(1U << ((hash >> 32) % 16)); }
  void put_in(Slot& slot, std::uint64_t hash) noexcept;
  void take_out(const Slot& oldest) noexcept;
  void grow(std::size_t count);
};

}  // namespace kv
