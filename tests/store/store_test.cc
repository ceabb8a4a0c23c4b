#include "store/store.h"

#include <cstdlib>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "store/frozen_walk.h"

namespace kv {
namespace {

constexpr UnixMillis kNow = 1'700'000'000'000;

struct StoreFixture {
  void set(std::string_view key, std::string_view value, UnixMillis expire_at = kNoExpiry) {
    const HashedKey hashed(key);
    WriteLock lock = store.write(hashed);
    PreparedPut put = lock.prepare_put(hashed, HashedValue(value), ValueType::kString, expire_at);
    lock.publish(std::move(put), ++revision);
  }
  void del(std::string_view key) {
    const HashedKey hashed(key);
    WriteLock lock = store.write(hashed);
    lock.erase(*lock.find_even_due(hashed), ++revision);
  }
  void move_expiry(std::string_view key, UnixMillis expire_at) {
    const HashedKey hashed(key);
    WriteLock lock = store.write(hashed);
    PreparedPut put = lock.prepare_expiry(*lock.find_even_due(hashed), expire_at);
    lock.publish(std::move(put), ++revision);
  }
  std::string get(std::string_view key, UnixMillis now = kNow) const {
    const HashedKey hashed(key);
    const ReadLock lock = store.read(hashed);
    const Entry* entry = lock.find(hashed, now);
    return entry == nullptr ? "(none)" : std::string(entry->value());
  }
  Revision version(std::string_view key) const {
    const HashedKey hashed(key);
    return store.read(hashed).find(hashed, kNow)->version();
  }
  Revision create_version(std::string_view key) const {
    const HashedKey hashed(key);
    return store.read(hashed).find(hashed, kNow)->create_version();
  }
  std::vector<std::string> due(UnixMillis now, std::size_t keys_max = 1000) {
    std::vector<std::string> keys;
    for (std::size_t shard = 0; shard < store.shard_count(); ++shard) store.collect_due(shard, now, keys_max, keys);
    return keys;
  }
  std::uint64_t recomputed_digest() const {
    std::uint64_t sum = 0;
    store.for_each_frozen([&sum](const Entry& entry) { sum += digest_of(entry.fields()); });
    return sum;
  }

  Store store{StoreOptions{1}};
  Revision revision = 0;
};

using Keys = std::vector<std::string>;

}  // namespace

TEST_CASE_METHOD(StoreFixture, "store: what was published is found, what was erased is not") {
  CHECK(get("k") == "(none)");
  set("k", "one");
  CHECK(get("k") == "one");
  set("k", "");
  CHECK(get("k").empty());
  del("k");
  CHECK(get("k") == "(none)");
  CHECK(store.read_shard(0).last_removal() == revision);
}

TEST_CASE_METHOD(StoreFixture,
                 "store: an overwritten key keeps the version of its creation, a recreated one does not") {
  set("k", "one");
  set("k", "two");
  set("k", "three");
  CHECK(version("k") == 3);
  CHECK(create_version("k") == 1);
  del("k");
  set("k", "four");
  CHECK(create_version("k") == 5);
}

TEST_CASE_METHOD(StoreFixture, "store: the creation stays exact when revisions have gone very far") {
  set("k", "one");
  revision = 1ULL << 50;
  set("other", "moves the newest revision on");
  set("k", "two");
  CHECK(version("k") == (1ULL << 50) + 2);
  CHECK(create_version("k") == 1);
}

TEST_CASE_METHOD(StoreFixture, "store: a prepared change that is dropped changes nothing") {
  set("k", "one", kNow + 5);
  const StoreTotals before = store.totals();
  const HashedKey existing("k"), missing("m");
  {
    WriteLock lock = store.write(existing);
    const PreparedPut first = lock.prepare_put(existing, HashedValue("two"), ValueType::kString, kNow + 1);
    const PreparedPut second = lock.prepare_put(missing, HashedValue("two"), ValueType::kString, kNoExpiry);
    const PreparedPut third = lock.prepare_expiry(*lock.find(existing, kNow), kNoExpiry);
  }
  CHECK(get("k") == "one");
  CHECK(get("m") == "(none)");
  CHECK(store.next_expiry() == kNow + 5);
  CHECK(store.totals().digest == before.digest);
  CHECK(store.totals().keys == 1);
  CHECK(store.totals().data_bytes == before.data_bytes);
}

TEST_CASE_METHOD(StoreFixture, "store: a prepared change may outlive its lock, unpublished") {
  const HashedKey key("k");
  auto prepared = store.write(key).prepare_put(key, HashedValue("v"), ValueType::kString, kNoExpiry);
  prepared = store.write(key).prepare_put(key, HashedValue("w"), ValueType::kString, kNoExpiry);
  CHECK(get("k") == "(none)");
}

TEST_CASE_METHOD(StoreFixture, "store: several changes prepared together are published together") {
  const std::vector<std::string> names{"a", "b", "c", "a", "d", "e", "f", "g", "h"};
  {
    WriteLock lock = store.write_shard(0);
    std::vector<PreparedPut> prepared;
    for (const auto& name : names)
      prepared.push_back(lock.prepare_put(HashedKey(name), HashedValue(name), ValueType::kString, 0));
    for (auto& put : prepared) lock.publish(std::move(put), 7);
  }
  for (const auto& name : names) CHECK(get(name) == name);
  CHECK(create_version("a") == 7);
  CHECK(store.totals().keys == 8);
  CHECK(store.totals().digest == recomputed_digest());
}

TEST_CASE_METHOD(StoreFixture, "store: a due key is invisible at once but stays until its removal is published") {
  set("k", "v", kNow + 10);
  CHECK(get("k", kNow + 9) == "v");
  CHECK(get("k", kNow + 10) == "(none)");
  const HashedKey key("k");
  CHECK(store.write(key).find_even_due(key) != nullptr);
  CHECK(store.totals().keys == 1);
  std::size_t seen = 0;
  store.read_shard(0).for_each(kNow + 10, [&seen](const Entry&) { ++seen; });
  CHECK(seen == 0);
}

TEST_CASE_METHOD(StoreFixture, "store: due keys are collected earliest first, each once, until they are removed") {
  set("c", "v", kNow + 3);
  set("a", "v", kNow + 1);
  set("b", "v", kNow + 2);
  set("later", "v", kNow + 100);
  set("never", "v");
  CHECK(store.next_expiry() == kNow + 1);
  CHECK(due(kNow).empty());
  CHECK(due(kNow + 50) == Keys{"a", "b", "c"});
  CHECK(due(kNow + 50, 2) == Keys{"a", "b"});
  del("a");
  CHECK(due(kNow + 50, 2) == Keys{"b", "c"});
}

TEST_CASE_METHOD(StoreFixture,
                 "store: an expiry that was moved, dropped or written again counts once, at its last time") {
  set("k", "v", kNow + 10);
  SECTION("later") {
    move_expiry("k", kNow + 20);
    CHECK(due(kNow + 10).empty());
    CHECK(store.next_expiry() == kNow + 20);
    CHECK(due(kNow + 20) == Keys{"k"});
  }
  SECTION("earlier") {
    move_expiry("k", kNow + 5);
    CHECK(due(kNow + 5) == Keys{"k"});
    CHECK(due(kNow + 10) == Keys{"k"});
  }
  SECTION("away and back") {
    move_expiry("k", kNoExpiry);
    CHECK(due(kNow + 10).empty());
    set("k", "v", kNow + 10);
    del("k");
    set("k", "v", kNow + 10);
    CHECK(due(kNow + 10) == Keys{"k"});
  }
  SECTION("dropped by an overwrite") {
    set("k", "w");
    CHECK(due(kNow + 10).empty());
    CHECK(store.next_expiry() == kNoExpiry);
  }
  CHECK(store.totals().digest == recomputed_digest());
}

TEST_CASE_METHOD(StoreFixture, "store: moving or deleting expiring keys again and again does not grow the index") {
  for (int i = 0; i < 10; ++i) set("k" + std::to_string(i), "v", kNow + 1000);
  const std::uint64_t before = store.totals().memory_bytes;
  for (int i = 0; i < 10000; ++i) {
    const std::string key = "k" + std::to_string(i % 10);
    if (i % 3 == 0) del(key);
    set(key, "v", kNow + 1000 + (i % 2 == 0 ? i : -i % 900));
  }
  CHECK(store.totals().memory_bytes < before + 4096);
  CHECK(due(kNow + 1'000'000).size() == 10);
}

TEST_CASE_METHOD(StoreFixture, "store: the figures return to those of an empty store when every key is deleted") {
  const StoreTotals empty = store.totals();
  for (int i = 0; i < 5000; ++i) set("k" + std::to_string(i), std::string(i % 700, 'v'), i % 3 == 0 ? kNow + i : 0);
  CHECK(store.totals().expiring_keys == 1667);
  CHECK(store.totals().memory_bytes > store.totals().data_bytes + 5000 * 20);
  SECTION("one by one") {
    for (int i = 0; i < 5000; ++i) del("k" + std::to_string(i));
    CHECK(store.read_shard(0).last_removal() == revision);
  }
  SECTION("at once") {
    store.clear();
    CHECK(store.read_shard(0).last_removal() == 0);
  }
  CHECK(store.totals() == empty);
  CHECK(store.next_expiry() == kNoExpiry);
}

TEST_CASE("store: entries are spread over all shards, and a walk meets each once") {
  Store store(StoreOptions{64});
  store.reserve(6400);
  for (int i = 0; i < 6400; ++i) {
    const std::string key = "k" + std::to_string(i);
    store.load({.key = key, .value = "v", .version = Revision(i + 1), .create_version = 1});
  }
  for (std::size_t shard = 0; shard < 64; ++shard) CHECK(store.totals_frozen(shard).keys > 30);
  std::size_t seen = 0;
  const LockedAll all = store.lock_all();
  store.for_each_frozen([&seen](const Entry&) { ++seen; });
  CHECK(seen == 6400);
  CHECK(store.totals_frozen().keys == 6400);
}

TEST_CASE("store: the sum that costs one load is never more than a step a shard away from the true one") {
  for (const std::size_t shards : {1u, 8u, 1024u}) {
    CAPTURE(shards);
    Store store({.shard_count = shards});
    const std::uint64_t step = std::max<std::uint64_t>((256 << 10) / shards, 1 << 10);
    const auto distance = [&] {
      const auto apart = static_cast<std::int64_t>(store.totals().memory_bytes - store.memory_bytes_about());
      return static_cast<std::uint64_t>(std::abs(apart));
    };
    Revision revision = 0;
    for (int i = 0; i < 20'000; ++i) {
      const std::string key = std::to_string(i);
      const std::string value(i % 700, 'v');
      store.apply({.kind = MutationKind::kSet, .key = key, .value = value}, ++revision);
      if (i % 1000 == 0) REQUIRE(distance() <= shards * step);
    }
    CHECK(store.memory_bytes_about() > 20'000 * 350 - shards * step);
    for (int i = 0; i < 20'000; ++i) {
      const std::string key = std::to_string(i);
      store.apply({.kind = MutationKind::kDelete, .key = key, .value = {}}, ++revision);
      if (i % 1000 == 0) REQUIRE(distance() <= shards * step);
    }
    CHECK(distance() <= shards * step);
    const std::string large(4 << 20, 'v');
    store.load({.key = "loaded", .value = large, .version = 1, .create_version = 1});
    CHECK(distance() <= shards * step);
    store.clear();
    CHECK(distance() <= shards * step);
  }
}

}  // namespace kv
