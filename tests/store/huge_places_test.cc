#include "store/huge_places.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <sys/mman.h>

#include "tests/support/memory_map.h"

namespace kv {
namespace {

constexpr std::size_t kPage = HugePlaces::kPageBytes;
constexpr std::size_t kPlace = HugePlaces::kPlaceBytes;

std::byte* take(HugePlaces& places, std::size_t bytes, std::size_t alignment = kPage) {
  return static_cast<std::byte*>(places.take(bytes, alignment));
}
// In use, and written to all over.
std::byte* take_filled(HugePlaces& places, std::size_t bytes) {
  std::byte* const begin = take(places, bytes);
  places.use(begin, bytes);
  std::memset(begin, 'x', bytes);
  return begin;
}
bool all_zeros(const std::byte* begin, std::size_t bytes) {
  return std::all_of(begin, begin + bytes, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

TEST_CASE("huge places: what is taken is aligned as asked, and no two pieces overlap") {
  HugePlaces places;
  std::vector<std::pair<std::byte*, std::size_t>> pieces;
  for (const std::size_t bytes : {kPage, kPlace, 3 * kPage, 5 * kPlace + kPage, 100 * kPlace, kPage})
    for (const std::size_t alignment : {kPage, kPlace, 4 * kPlace, 64 * kPlace}) {
      std::byte* const begin = take(places, bytes, alignment);
      REQUIRE(begin != nullptr);
      CHECK(reinterpret_cast<std::uintptr_t>(begin) % alignment == 0);
      pieces.emplace_back(begin, bytes);
    }
  std::sort(pieces.begin(), pieces.end());
  for (std::size_t i = 1; i < pieces.size(); ++i) CHECK(pieces[i - 1].first + pieces[i - 1].second <= pieces[i].first);
  CHECK(places.bytes_in_use() == 0);
  CHECK(places.bytes_held() == 0);
}

TEST_CASE("huge places: space that no system has is refused, and the next piece is there") {
  HugePlaces places;
  CHECK(places.take(std::size_t{1} << 60, kPage) == nullptr);
  CHECK(places.take(kPage, kPage) != nullptr);
}

TEST_CASE(
    "huge places: a part that was idle is full of zeros when it is used again, its neighbours keep what they hold") {
  HugePlaces places;
  std::byte* const begin = take_filled(places, 2 * kPlace);
  CHECK(places.bytes_in_use() == 2 * kPlace);
  std::byte* const hole = begin + kPlace - 3 * kPage;  // over the edge of a place
  places.idle(hole, 6 * kPage);
  CHECK(places.bytes_in_use() == 2 * kPlace - 6 * kPage);
  CHECK(places.bytes_held() >= 2 * kPlace);
  CHECK(resident_bytes(hole, 6 * kPage) == 6 * kPage);  // No page is split for it.
  places.use(hole, 6 * kPage);
  CHECK(all_zeros(hole, 6 * kPage));
  CHECK(hole[-1] == std::byte{'x'});
  CHECK(hole[6 * kPage] == std::byte{'x'});
}

TEST_CASE(
    "huge places: the memory of a place goes back to the system when its last part is idle, and comes back as zeros") {
  HugePlaces places;
  take(places, kPlace);
  std::byte* const begin = take_filled(places, kPlace);
  REQUIRE(reinterpret_cast<std::uintptr_t>(begin) % kPlace == 0);
  for (std::size_t page = 0; page < kPlace / kPage; ++page) {
    CHECK(resident_bytes(begin, kPlace) == kPlace);
    places.idle(begin + page * kPage, kPage);
  }
  CHECK(resident_bytes(begin, kPlace) == 0);
  CHECK(places.bytes_held() == 0);
  places.use(begin, kPlace);
  CHECK(all_zeros(begin, kPlace));
}

TEST_CASE("huge places: a place that was split is one page again after collapse(), with what it held") {
  HugePlaces places;
  std::byte* const begin = take_filled(places, 4 * kPlace);
  if (HugePlaces::collapse_refusal() != 0) {
    for (std::size_t i = 0; i < places.count(); ++i) CHECK(places.collapse(i) == Collapse::kNothing);
    return;
  }
  for (std::size_t i = 0; i < 4; ++i) REQUIRE(::madvise(begin + i * kPlace, kPage, MADV_DONTNEED) == 0);
  std::size_t done = 0;
  for (std::size_t i = 0; i < places.count(); ++i) {
    Collapse result = places.collapse(i);
    for (int again = 0; result == Collapse::kBusy && again < 1000; ++again) result = places.collapse(i);
    CHECK(result != Collapse::kBusy);
    done += result == Collapse::kDone ? 1 : 0;
  }
  CHECK(done == 4);
  CHECK(huge_bytes_of_mapping(begin) >= 4 * kPlace);  // The kernel may count neighbours into the same mapping.
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(all_zeros(begin + i * kPlace, kPage));
    CHECK(begin[i * kPlace + kPage] == std::byte{'x'});
    CHECK(begin[(i + 1) * kPlace - 1] == std::byte{'x'});
  }
}

TEST_CASE("huge places: places in which nothing is in use are left alone by collapse()") {
  HugePlaces places;
  take(places, 3 * kPlace);
  CHECK(places.count() >= 3);
  for (std::size_t i = 0; i < places.count() + 2; ++i) CHECK(places.collapse(i) == Collapse::kNothing);
  CHECK(places.bytes_held() == 0);
}

}  // namespace kv
