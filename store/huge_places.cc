#include "store/huge_places.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25  // Linux 6.1; this C library's header is older.
#endif

namespace kv {
namespace {

std::size_t round_up(std::size_t number, std::size_t to) noexcept { return (number + to - 1) & ~(to - 1); }

// Memory aligned to a place, and no more address space than that.
struct Mapping {
  explicit Mapping(std::size_t size) noexcept : bytes(size) {
    constexpr std::size_t kPlace = HugePlaces::kPlaceBytes;
    void* const memory = ::mmap(nullptr, bytes + kPlace, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    auto* const all = static_cast<std::byte*>(memory);
    const auto address = reinterpret_cast<std::uintptr_t>(all);
    const std::size_t before = round_up(address, kPlace) - address;
    begin = all + before;
    if (before > 0) ::munmap(all, before);
    if (before < kPlace) ::munmap(begin + bytes, kPlace - before);
  }
  ~Mapping() {
    if (begin != nullptr) ::munmap(begin, bytes);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::byte* begin = nullptr;  // null: refused
  const std::size_t bytes;
};

// Bytes [begin, begin + bytes), cut where places begin: visit(begin of the part, its first page in the place, the page
// behind its last).
template <class Visit>
void for_each_part(void* from, std::size_t bytes, Visit visit) {
  auto* begin = static_cast<std::byte*>(from);
  std::byte* const end = begin + bytes;
  while (begin != end) {
    const std::size_t offset = reinterpret_cast<std::uintptr_t>(begin) % HugePlaces::kPlaceBytes;
    std::byte* const next = std::min(end, begin + (HugePlaces::kPlaceBytes - offset));
    const std::size_t first = offset / HugePlaces::kPageBytes;
    visit(begin, first, first + static_cast<std::size_t>(next - begin) / HugePlaces::kPageBytes);
    begin = next;
  }
}

}  // namespace

bool HugePlaces::add_region(std::size_t bytes) {
  Mapping mapping(bytes);  // first: what no system has is refused before room is made to keep account of it
  std::byte* const begin = mapping.begin;
  if (begin == nullptr) return false;
  regions_.reserve(regions_.size() + 1);
  std::vector<Place> places(bytes / kPlaceBytes);
  mapping.begin = nullptr;                 // It stays.
  ::madvise(begin, bytes, MADV_HUGEPAGE);  // Where there are none, memory of 4 KiB pages does as well.

  const auto at = std::find_if(regions_.begin(), regions_.end(), [&](const Region& r) { return r.begin > begin; });
  regions_.insert(at, Region{begin, bytes, 0, std::move(places), 0});
  std::size_t index = 0;
  for (Region& region : regions_) {
    region.first_index = index;
    index += region.places.size();
  }
  count_.store(index, std::memory_order_release);
  current_ = begin;
  return true;
}

HugePlaces::Region& HugePlaces::region_of(const std::byte* address) noexcept {
  const auto behind = std::upper_bound(regions_.begin(), regions_.end(), address,
                                       [](const std::byte* a, const Region& region) { return a < region.begin; });
  assert(behind != regions_.begin());
  return *(behind - 1);
}

HugePlaces::Place& HugePlaces::place_of(const std::byte* address) noexcept {
  Region& region = region_of(address);
  return region.places[static_cast<std::size_t>(address - region.begin) / kPlaceBytes];
}

void* HugePlaces::take(std::size_t bytes, std::size_t alignment) noexcept {
  assert(bytes > 0 && bytes % kPageBytes == 0);
  std::lock_guard lock(mutex_);
  // Relative to the region, which is aligned to a place: a greater alignment needs room to move.
  const auto offset_in = [&](const Region& region) {
    const auto address = reinterpret_cast<std::uintptr_t>(region.begin + region.taken);
    return region.taken + (round_up(address, alignment) - address);
  };
  Region* region = current_ != nullptr ? &region_of(current_) : nullptr;
  if (region == nullptr || offset_in(*region) + bytes > region->bytes) {
    const std::size_t room = alignment > kPlaceBytes ? alignment : 0;
    try {
      if (!add_region(std::max(kRegionBytes, round_up(bytes + room, kPlaceBytes)))) return nullptr;
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    region = &region_of(current_);
  }
  const std::size_t offset = offset_in(*region);
  region->taken = offset + bytes;
  return region->begin + offset;
}

void HugePlaces::use(void* begin, std::size_t bytes) noexcept {
  for_each_part(begin, bytes, [this](std::byte* part, std::size_t first, std::size_t last) {
    Pages stale;
    {
      std::lock_guard lock(mutex_);
      Place& place = place_of(part);
      stale = place.written;
      for (std::size_t page = first; page < last; ++page) {
        place.in_use.set(page);
        place.written.set(page);
      }
    }
    // Outside the lock: until use() returns, the part is nobody else's.
    for (std::size_t page = first; page < last; ++page) {
      if (stale.test(page)) std::memset(part + (page - first) * kPageBytes, 0, kPageBytes);
    }
  });
}

void HugePlaces::idle(void* begin, std::size_t bytes) noexcept {
  for_each_part(begin, bytes, [this](std::byte* part, std::size_t first, std::size_t last) {
    std::lock_guard lock(mutex_);
    Place& place = place_of(part);
    for (std::size_t page = first; page < last; ++page) place.in_use.reset(page);
    if (place.in_use.any() || place.written.none()) return;
    std::byte* const whole = part - first * kPageBytes;
    if (::madvise(whole, kPlaceBytes, MADV_DONTNEED) == 0) place.written.reset();
  });
}

Collapse HugePlaces::collapse(std::size_t index) noexcept {
  std::byte* whole = nullptr;
  {
    std::lock_guard lock(mutex_);
    const auto behind = std::upper_bound(regions_.begin(), regions_.end(), index,
                                         [](std::size_t i, const Region& region) { return i < region.first_index; });
    if (behind == regions_.begin()) return Collapse::kNothing;
    Region& region = *(behind - 1);
    const std::size_t number = index - region.first_index;
    if (number >= region.places.size() || region.places[number].in_use.none()) return Collapse::kNothing;
    whole = region.begin + number * kPlaceBytes;
  }
  // Without the lock: should all of it go idle meanwhile, it may come back as zeros that nobody needs, until the place
  // is used again.
  if (::madvise(whole, kPlaceBytes, MADV_COLLAPSE) == 0) return Collapse::kDone;
  return errno == EINVAL ? Collapse::kNothing : Collapse::kBusy;
}

int HugePlaces::collapse_refusal() noexcept {
  const Mapping mapping(kPlaceBytes);
  if (mapping.begin == nullptr) return 0;  // Short of memory now; that says nothing about later.
  *mapping.begin = std::byte{1};           // A place without any page is refused everywhere.
  if (::madvise(mapping.begin, kPlaceBytes, MADV_COLLAPSE) == 0) return 0;
  return errno == EINVAL || errno == ENOSYS || errno == EPERM ? errno : 0;
}

std::size_t HugePlaces::bytes_in_use() const noexcept {
  std::lock_guard lock(mutex_);
  std::size_t pages = 0;
  for (const Region& region : regions_) {
    for (const Place& place : region.places) pages += place.in_use.count();
  }
  return pages * kPageBytes;
}

std::size_t HugePlaces::bytes_held() const noexcept {
  std::lock_guard lock(mutex_);
  std::size_t places = 0;
  for (const Region& region : regions_) {
    for (const Place& place : region.places) places += place.written.any() ? 1 : 0;
  }
  return places * kPlaceBytes;
}

}  // namespace kv
