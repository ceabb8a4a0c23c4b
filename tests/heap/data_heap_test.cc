// The data heap as the server has it: this program is linked with jemalloc, as the server is.
#include "store/data_heap.h"

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "free_memory.h"
#include "store/frozen_walk.h"
#include "store/store.h"
#include "tests/support/memory_map.h"

namespace kv {
namespace {

constexpr std::size_t kMiB = 1 << 20;
constexpr UnixMillis kSoon = 1'700'000'000'000;

// Keys of 16 bytes and values of 64, as a load would write them.
void fill(Store& store, std::size_t keys, UnixMillis expire_at) {
  for (std::size_t i = 0; i < keys; ++i) {
    const std::string name = fmt::format("{:016}", i);
    const std::string value = fmt::format("{:064}", i);
    const HashedKey key(name);
    WriteLock lock = store.write(key);
    PreparedPut put = lock.prepare_put(key, std::string_view(value), ValueType::kString,
                                       expire_at == kNoExpiry ? kNoExpiry : expire_at + static_cast<UnixMillis>(i));
    lock.publish(std::move(put), i + 1);
  }
}

}  // namespace

TEST_CASE("data heap: blocks of every size are theirs alone, whoever frees them") {
  std::mt19937 random(GENERATE(1U, 2U));
  struct Block {
    unsigned char* begin;
    std::size_t bytes;
    unsigned char mark;
  };
  std::vector<Block> blocks;
  const auto check_and_free = [](const Block& block, bool sized) {
    const bool whole = std::all_of(block.begin, block.begin + block.bytes, [&](auto c) { return c == block.mark; });
    sized ? data_heap::free(block.begin, block.bytes) : data_heap::free(block.begin);
    return whole;
  };
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t bytes = 1 + random() % (random() % 50 == 0 ? 3 * kMiB : random() % 10 == 0 ? 30'000 : 200);
    const auto mark = static_cast<unsigned char>(random());
    auto* const begin = static_cast<unsigned char*>(data_heap::allocate(bytes));
    REQUIRE(malloc_usable_size(begin) >= bytes);
    std::fill_n(begin, bytes, mark);
    blocks.push_back({begin, bytes, mark});
    if (blocks.size() < 300) continue;
    std::swap(blocks[random() % blocks.size()], blocks.back());
    const Block block = blocks.back();
    blocks.pop_back();
    bool whole = false;
    if (i % 100 == 0) {  // By a thread that ends then.
      std::thread([&] { whole = check_and_free(block, i % 200 == 0); }).join();
    } else {
      whole = check_and_free(block, i % 2 == 0);
    }
    REQUIRE(whole);
  }
  for (const Block& block : blocks) CHECK(check_and_free(block, true));
  data_heap::free(nullptr);
}

TEST_CASE("data heap: what the store holds lies in its places, and not among other things") {
  give_up_what_is_free();
  const std::size_t before = data_heap::places().bytes_in_use();
  Store store({.shard_count = 8});
  fill(store, 200'000, kSoon);
  const std::size_t after = data_heap::places().bytes_in_use();
  const std::uint64_t counted = store.totals().memory_bytes;
  CHECK(after - before >= counted * 95 / 100);
  CHECK(after - before <= counted * 115 / 100 + 4 * kMiB);
  const auto other = std::make_unique<std::string>(10 * kMiB, 'x');
  CHECK(data_heap::places().bytes_in_use() == after);
}

TEST_CASE("data heap: when the data is gone its memory goes back to the system, and is zeros for who gets it again") {
  give_up_what_is_free();
  const std::size_t before = data_heap::places().bytes_held();
  {
    Store store({.shard_count = 8});
    fill(store, 500'000, kNoExpiry);
    CHECK(data_heap::places().bytes_held() > before + 40 * kMiB);
  }
  give_up_what_is_free();
  CHECK(data_heap::places().bytes_held() <= before + 8 * kMiB);
  Store store({.shard_count = 8});
  fill(store, 500'000, kNoExpiry);
  CHECK(store.totals().keys == 500'000);
}

TEST_CASE("data heap: 16 bytes of key and 64 of value take 120 bytes, 150 with an expiry, index and version included") {
  const bool expires = GENERATE(false, true);
  give_up_what_is_free();
  constexpr std::size_t kKeys = 1'000'000;
  const std::size_t limit = expires ? 150 : 120;
  Store store({.shard_count = 64});
  const std::size_t before = data_heap::places().bytes_held();
  const std::size_t resident_before = resident_bytes();
  fill(store, kKeys, expires ? kSoon : kNoExpiry);
  CHECK(store.totals().memory_bytes <= limit * kKeys);
  CHECK(data_heap::places().bytes_held() - before <= limit * kKeys);
  CHECK(resident_bytes() - resident_before <= limit * kKeys);
}

TEST_CASE("data heap: the data lies in huge pages, where the system has them") {
  if (HugePlaces::collapse_refusal() != 0) return;
  Store store({.shard_count = 8});
  fill(store, 500'000, kNoExpiry);
  for (std::size_t i = 0; i < data_heap::places().count(); ++i) {
    Collapse result = data_heap::places().collapse(i);
    for (int again = 0; result == Collapse::kBusy && again < 1000; ++again) result = data_heap::places().collapse(i);
    CHECK(result != Collapse::kBusy);
  }
  CHECK(huge_bytes() >= data_heap::places().bytes_in_use());
}

}  // namespace kv
