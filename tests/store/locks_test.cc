#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "store/store.h"

namespace kv {
namespace {

constexpr std::size_t kThreads = 8;
constexpr UnixMillis kNow = 1'700'000'000'000;

// Whether 8 threads can each lock every shard but `held` while that one is held.
bool others_are_free(Store& store, std::size_t held) {
  std::vector<std::future<void>> threads;
  std::future_status status = std::future_status::ready;
  {
    const WriteLock lock = store.write_shard(held);
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
      threads.push_back(std::async(std::launch::async, [&store, held, thread] {
        for (std::size_t i = 0; i < store.shard_count(); ++i) {
          const std::size_t shard = (i + thread * 7) % store.shard_count();
          if (shard == held) continue;
          if (thread % 2 == 0) {
            const WriteLock other = store.write_shard(shard);
          } else {
            const ReadLock other = store.read_shard(shard);
          }
        }
      }));
    }
    // The bound matters only to a broken store, where it turns a hang into a failure.
    for (auto& thread : threads) {
      if (status == std::future_status::ready) status = thread.wait_for(std::chrono::seconds(20));
    }
  }
  return status == std::future_status::ready;
}

}  // namespace

TEST_CASE("store: the quiet point holds however many shards there are, and lets everybody go on") {
  Store store(StoreOptions{1024});
  { const LockedAll all = store.lock_all(); }
  for (std::size_t shard = 0; shard < store.shard_count(); ++shard) const WriteLock lock = store.write_shard(shard);
}

TEST_CASE("store: no two shards are behind one lock, shown with eight threads") {
  const std::size_t count = GENERATE(2U, 16U, 64U);
  Store store(StoreOptions{count});
  for (std::size_t held = 0; held < count; ++held) REQUIRE(others_are_free(store, held));
}

TEST_CASE("store: a shard's readers do not exclude each other, a writer excludes all") {
  Store store(StoreOptions{1});
  std::atomic<bool> written = false;
  std::thread writer;
  {
    const ReadLock first = store.read_shard(0);
    std::thread([&store] { const ReadLock second = store.read_shard(0); }).join();
    writer = std::thread([&] {
      const WriteLock lock = store.write_shard(0);
      written = true;
    });
    CHECK_FALSE(written);
  }
  writer.join();
  CHECK(written);
}

TEST_CASE("store: a reader that will not wait gets a shard that others read, and none that is written to") {
  Store store(StoreOptions{2});
  const auto others = [&](std::size_t shard) {
    return std::async(std::launch::async, [&store, shard] { return store.try_read_shard(shard).has_value(); }).get();
  };
  {
    const WriteLock written = store.write_shard(0);
    CHECK_FALSE(others(0));
    CHECK(others(1));
  }
  const ReadLock read = store.read_shard(0);
  CHECK(others(0));
}

TEST_CASE("store: asking for a key's memory ahead finds nothing, changes nothing, whether the key is there or not") {
  Store store(StoreOptions{1});
  Revision revision = 0;
  const auto ask = [&store](std::string_view text) {
    const HashedKey key(text);
    const std::optional<ReadLock> shard = store.try_read_shard(0);
    REQUIRE(shard);
    shard->prefetch_group(key);
    shard->prefetch_slot(key);
    shard->prefetch_entry(key);
    return shard->find(key, kNow) != nullptr;
  };
  CHECK_FALSE(ask("a"));
  for (int i = 0; i < 1000; ++i) {
    const std::string name = std::to_string(i);
    const HashedKey key(name);
    WriteLock shard = store.write(key);
    shard.publish(shard.prepare_put(key, HashedValue("v"), ValueType::kString, kNoExpiry), ++revision);
  }
  const StoreTotals before = store.totals();
  for (int i = 0; i < 1000; ++i) CHECK(ask(std::to_string(i)));
  CHECK_FALSE(ask("a"));
  CHECK(store.totals() == before);
}

TEST_CASE("store: eight threads write, read, expire and take every lock, and the figures add up") {
  Store store(StoreOptions{16});
  std::atomic<Revision> revision = 0;
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&store, &revision, thread] {
      for (int i = 0; i < 2000; ++i) {
        const std::string name = "k" + std::to_string((i * 31 + static_cast<int>(thread)) % 400);
        const HashedKey key(name);
        if (i % 5 == 0) {
          WriteLock lock = store.write(key);
          if (const Entry* entry = lock.find_even_due(key)) lock.erase(*entry, ++revision);
        } else if (i % 5 == 1) {
          const ReadLock lock = store.read(key);
          const Entry* entry = lock.find(key, kNow);
          if (entry != nullptr && entry->value() != name) std::abort();
        } else if (i % 97 == 0) {
          const LockedAll all = store.lock_all();
          StoreTotals sum;
          for (std::size_t shard = 0; shard < store.shard_count(); ++shard) sum += store.totals_frozen(shard);
          if (!(sum == store.totals_frozen())) std::abort();
        } else if (i % 89 == 0) {
          std::vector<std::string> keys;
          store.collect_due(static_cast<std::size_t>(i) % 16, kNow, 10, keys);
        } else {
          const HashedValue value(name);
          WriteLock lock = store.write(key);
          PreparedPut put = lock.prepare_put(key, value, ValueType::kString, kNow + i);
          lock.publish(std::move(put), ++revision);
        }
        store.next_expiry();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::uint64_t digest = 0;
  for (std::size_t shard = 0; shard < 16; ++shard) {
    store.read_shard(shard).for_each(0, [&digest](const Entry& entry) { digest += digest_of(entry.fields()); });
  }
  CHECK(store.totals().digest == digest);
}

}  // namespace kv
