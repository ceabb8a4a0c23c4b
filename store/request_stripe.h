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

  struct Bucket {
    Slot* youngest = nullptr;
  };

  RequestStripe() : slots(CountingAllocator<Slot>(&memory)), buckets(CountingAllocator<Bucket>(&memory)) {}

  Slot* find(const RequestId& id, std::uint64_t hash) const noexcept;
  // An empty slot behind all others. Throws std::bad_alloc.
  void take_place();
  void give_place_back() noexcept { slots.pop_back(); }
  // Fills the place that was taken.
  void fill(const RememberedRequest& request, std::uint64_t hash, std::uint64_t number) noexcept;
  // Up to `most` of the oldest, as long as they lie behind.
  std::size_t drop(const RequestHorizon& horizon, std::size_t most) noexcept;
  void clear() noexcept;

  mutable std::mutex lock;
  MemoryCount memory;                                      // before its users
  std::deque<Slot, CountingAllocator<Slot>> slots;         // oldest first
  std::vector<Bucket, CountingAllocator<Bucket>> buckets;  // as many as a power of two
  UnixMillis crowded_out = 0;                              // of the youngest that went for the bound on their number

 private:
  Slot*& bucket_of(std::uint64_t hash) noexcept { return buckets[hash & (buckets.size() - 1)].youngest; }
  void grow(std::size_t count);
};

}  // namespace kv
