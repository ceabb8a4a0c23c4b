// What the store does when memory runs out, and where it must not ask for any.
#include <random>
#include <string>

#include <catch2/catch.hpp>

#include "failing_allocation.h"
#include "store/frozen_walk.h"
#include "store/store.h"

namespace kv {
namespace {

constexpr UnixMillis kSoon = 1'700'000'000'000;

// Puts a key, with the n-th allocation of preparing it failing. False when it failed.
bool put(Store& store, const std::string& key, UnixMillis expire_at, Revision revision, std::size_t successes) {
  const HashedKey hashed(key);
  WriteLock lock = store.write(hashed);
  const FailingAllocation failing(successes);
  try {
    PreparedPut prepared = lock.prepare_put(hashed, HashedValue("value"), ValueType::kString, expire_at);
    const FailingAllocation none(0);
    lock.publish(std::move(prepared), revision);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace

TEST_CASE("store: when an allocation fails while a change is prepared, nothing has changed and the next one works") {
  Store store(StoreOptions{1});
  Revision revision = 0;
  int failures = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string key = "k" + std::to_string(i);
    const UnixMillis expire_at = i % 2 == 0 ? kSoon + i : kNoExpiry;
    StoreTotals before = store.totals();
    for (std::size_t successes = 0; !put(store, key, expire_at, ++revision, successes); ++successes) {
      ++failures;
      StoreTotals after = store.totals();
      before.memory_bytes = after.memory_bytes = 0;  // A bigger table or index may have stayed.
      REQUIRE(after == before);
    }
  }
  CHECK(failures > 2000);
  CHECK(store.totals().keys == 2000);
  std::size_t walked = 0;
  store.for_each_frozen([&walked](const Entry&) { ++walked; });
  CHECK(walked == 2000);
}

TEST_CASE("store: publishing, erasing and walking never allocate, however the table is churned") {
  Store store(StoreOptions{1});
  std::mt19937 random(GENERATE(1U, 2U, 3U));
  const std::size_t keys = GENERATE(1U, 7U, 13U, 14U, 28U, 500U, 3584U);
  std::size_t walked = 0;
  for (Revision revision = 1; revision < 20000; ++revision) {
    const std::string name = "k" + std::to_string(random() % keys);
    const HashedKey key(name);
    WriteLock lock = store.write(key);
    const Entry* old = lock.find_even_due(key);
    std::vector<PreparedPut> prepared;
    if (old == nullptr || random() % 2 == 0) {
      prepared.reserve(8);
      const auto count = 1 + random() % 8;
      for (unsigned i = 0; i < count; ++i) {
        const std::string other = "k" + std::to_string(random() % keys);
        prepared.push_back(
            lock.prepare_put(HashedKey(other), HashedValue(other), ValueType::kString, kSoon + random() % 100));
      }
    }
    const FailingAllocation none(0);
    if (old != nullptr && random() % 2 == 0) lock.erase(*old, revision);
    for (PreparedPut& put : prepared) lock.publish(std::move(put), revision);
    if (revision % 1000 == 0) store.for_each_frozen([&walked](const Entry&) { ++walked; });
  }
  CHECK(walked > 0);
}

TEST_CASE("store: a value over another of its length is written into its block, and asks for no memory") {
  const std::size_t length = GENERATE(0U, 64U, 300U, 100'000U);
  const UnixMillis expire_at = GENERATE(as<UnixMillis>{}, kNoExpiry, kSoon, 1);
  Store store(StoreOptions{1});
  const HashedKey key("key");
  const auto put = [&](const std::string& value, UnixMillis due, Revision revision) {
    WriteLock lock = store.write(key);
    const Entry* present = lock.find_even_due(key);
    lock.publish(present == nullptr
                     ? lock.prepare_put(key, std::string_view(value), ValueType::kString, due)
                     : lock.prepare_over(*present, key, std::string_view(value), ValueType::kString, due),
                 revision);
    return lock.find_even_due(key);
  };
  put(std::string(length, 'a'), expire_at, 1);
  const Entry* const second = put(std::string(length, 'b'), expire_at, 2);  // has room for a create version now
  const std::string value(length, 'c');
  const UnixMillis later = expire_at == kNoExpiry ? kNoExpiry : expire_at + 1;
  const FailingAllocation none(0);
  const Entry* const third = put(value, later, 3);
  CHECK_FALSE(none.struck());
  CHECK(third == second);
  CHECK(third->value() == value);
  CHECK(third->version() == 3);
  CHECK(third->create_version() == 1);
  CHECK(third->expire_at() == later);
  CHECK(store.totals().digest == digest_of(third->fields()));
}

TEST_CASE("store: taking every lock and adding up the totals allocates nothing") {
  Store store(StoreOptions{64});
  const FailingAllocation none(0);
  const LockedAll all = store.lock_all();
  const StoreTotals totals = store.totals_frozen();
  CHECK(totals.keys == 0);
  CHECK_FALSE(none.struck());
}

}  // namespace kv
