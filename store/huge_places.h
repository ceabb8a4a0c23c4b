// Memory in places of 2 MiB that huge pages can back; the memory of a place goes back to the system when nothing in it
// is in use.
//
// Hard part: what a fork copies while the store stands still is the page table, 2 MiB of it for each GiB in pages of
// 4 KiB. So all memory lies in aligned places of 2 MiB for which huge pages are asked (MADV_HUGEPAGE); nothing is
// given back in smaller pieces, which would split the page for good; and a place that copy-on-write has split is put
// together again by collapse().
//
// An allocator (store/data_heap.h) takes address space, which is idle at first and never taken back; use() makes a part
// of it memory full of zeros, idle() says that nobody needs what is in a part. Addresses and sizes are multiples of
// kPageBytes.
//
// Threads:  all calls from any thread; one part belongs to one caller at a time.
// Lifetime: what was taken stays mapped when this is destroyed: the allocator's blocks may live longer.
// Errors:   take() gives null when the system refuses memory.
// Source:   madvise(2); MADV_COLLAPSE since Linux 6.1.
#pragma once

#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace kv {

enum class Collapse : std::uint8_t {
  kDone,     // it is one huge page, now or already
  kNothing,  // there is nothing in it
  kBusy,     // not now: there is no free huge page, or somebody holds a page of it
};

class HugePlaces {
 public:
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr std::size_t kPlaceBytes = std::size_t{2} << 20;
  static constexpr std::size_t kRegionBytes = std::size_t{64} << 20;  // asked of the system at once, if not more

  // `alignment` is a power of two.
  void* take(std::size_t bytes, std::size_t alignment) noexcept;
  void use(void* begin, std::size_t bytes) noexcept;
  void idle(void* begin, std::size_t bytes) noexcept;

  // Places, in use or not. Grows.
  std::size_t count() const noexcept { return count_.load(std::memory_order_acquire); }
  // Makes place number `index` one huge page. Takes some hundred microseconds where there is something to do, and page
  // faults of this process wait for it.
  Collapse collapse(std::size_t index) noexcept;
  // 0 when this system puts a page together that is there, else the errno with which it refuses.
  static int collapse_refusal() noexcept;

  // What use() has made and idle() has not unmade; and the memory of the places that hold it.
  std::size_t bytes_in_use() const noexcept;
  std::size_t bytes_held() const noexcept;

 private:
  using Pages = std::bitset<kPlaceBytes / kPageBytes>;
  struct Place {
    Pages in_use;
    Pages written;  // in use at some time since the place was last given back: zeros no more
  };
  struct Region {
    std::byte* begin;
    std::size_t bytes;
    std::size_t taken;
    std::vector<Place> places;
    std::size_t first_index;  // of its places among all
  };

  // With the lock held.
  bool add_region(std::size_t bytes);
  Region& region_of(const std::byte* address) noexcept;
  Place& place_of(const std::byte* address) noexcept;

  mutable std::mutex mutex_;      // guards what follows
  std::vector<Region> regions_;   // by address
  std::byte* current_ = nullptr;  // begin of the region that is taken from
  std::atomic<std::size_t> count_{0};
};

}  // namespace kv
