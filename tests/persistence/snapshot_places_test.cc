#include "persistence/snapshot_places.h"

#include <algorithm>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

namespace kv {
namespace {

std::vector<std::size_t> taken_by(SnapshotPlaces& places, std::size_t place) {
  std::vector<std::size_t> taken;
  while (const auto index = places.take(place)) taken.push_back(*index);
  return taken;
}

bool is_each_once(std::vector<std::size_t> taken, std::size_t blocks) {
  std::sort(taken.begin(), taken.end());
  if (taken.size() != blocks) return false;
  for (std::size_t i = 0; i < blocks; ++i) {
    if (taken[i] != i) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("snapshot places: threads begin apart, and go through what is theirs in order") {
  SnapshotPlaces places(100, 4);
  for (std::size_t place = 0; place < 4; ++place) {
    CHECK(places.take(place) == 25 * place);
    CHECK(places.take(place) == 25 * place + 1);
  }
}

TEST_CASE("snapshot places: a thread that is alone takes every block once, wherever it began") {
  for (const std::size_t count : {1U, 3U, 8U}) {
    for (const std::size_t blocks : {0U, 1U, 2U, 7U, 8U, 100U}) {
      for (std::size_t place = 0; place < count; ++place) {
        INFO(blocks << " blocks, from place " << place << " of " << count);
        SnapshotPlaces places(blocks, count);
        CHECK(is_each_once(taken_by(places, place), blocks));
        CHECK_FALSE(places.take(place).has_value());
      }
    }
  }
}

TEST_CASE("snapshot places: several threads take every block once between them") {
  constexpr std::size_t kBlocks = 20'000;
  constexpr std::size_t kThreads = 4;
  SnapshotPlaces places(kBlocks, kThreads);
  std::vector<std::vector<std::size_t>> taken(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t place = 0; place < kThreads; ++place) {
    threads.emplace_back([&, place] { taken[place] = taken_by(places, place); });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::size_t> all;
  for (const auto& some : taken) all.insert(all.end(), some.begin(), some.end());
  CHECK(is_each_once(all, kBlocks));
}

}  // namespace kv
