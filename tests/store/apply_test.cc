#include <string>

#include <catch2/catch.hpp>

#include "store/store.h"

namespace kv {
namespace {

constexpr UnixMillis kNow = 1'700'000'000'000;

Mutation set(std::string_view key, std::string_view value, UnixMillis expire_at = kNoExpiry) {
  return {.kind = MutationKind::kSet, .expire_at = expire_at, .key = key, .value = value};
}
Mutation removal(MutationKind kind, std::string_view key) { return {.kind = kind, .key = key, .value = {}}; }
Mutation expiry(std::string_view key, UnixMillis at) {
  return {.kind = MutationKind::kSetExpiry, .expire_at = at, .key = key, .value = {}};
}

struct ReplayFixture {
  std::string get(std::string_view key) const {
    const HashedKey hashed(key);
    const ReadLock lock = store.read(hashed);
    const Entry* entry = lock.find(hashed, kNow);
    return entry == nullptr ? "(none)" : std::string(entry->value());
  }
  Store store{StoreOptions{4}};
};

}  // namespace

TEST_CASE_METHOD(ReplayFixture, "replay: each kind of mutation does what it says") {
  store.apply(set("k", "v", kNow + 5), 1);
  CHECK(get("k") == "v");
  CHECK(store.next_expiry() == kNow + 5);
  store.apply(expiry("k", kNoExpiry), 2);
  CHECK(store.totals().expiring_keys == 0);
  const HashedKey key("k");
  CHECK(store.read(key).find(key, kNow)->version() == 2);
  CHECK(store.read(key).find(key, kNow)->create_version() == 1);
  store.apply(removal(GENERATE(MutationKind::kDelete, MutationKind::kExpire, MutationKind::kEvict), "k"), 3);
  CHECK(get("k") == "(none)");
  CHECK(store.read(key).last_removal() == 3);
}

TEST_CASE_METHOD(ReplayFixture, "replay: removing or moving a key that is not there does nothing") {
  store.apply(removal(MutationKind::kDelete, "k"), 1);
  store.apply(expiry("k", kNow + 5), 2);
  CHECK(store.totals().keys == 0);
  CHECK(store.next_expiry() == kNoExpiry);
}

TEST_CASE_METHOD(ReplayFixture, "replay: what is older than the entry changes nothing") {
  store.apply(set("k", "new"), 10);
  const StoreTotals before = store.totals();
  store.apply(set("k", "old"), 9);
  store.apply(removal(MutationKind::kDelete, "k"), 9);
  store.apply(expiry("k", kNow + 5), 9);
  CHECK(store.totals() == before);
}

TEST_CASE_METHOD(ReplayFixture, "replay: one record may change a key several times, and applied twice gives the same") {
  for (int round = 0; round < 2; ++round) {
    store.apply(set("k", "one"), 5);
    store.apply(set("k", "two"), 5);
    store.apply(expiry("k", kNow + 7), 5);
    store.apply(set("gone", "v"), 5);
    store.apply(removal(MutationKind::kDelete, "gone"), 5);
    CHECK(get("k") == "two");
    CHECK(get("gone") == "(none)");
    CHECK(store.totals().digest ==
          digest_of({.key = "k", .value = "two", .version = 5, .create_version = 5, .expire_at = kNow + 7}));
  }
}

TEST_CASE_METHOD(ReplayFixture, "loading: of two entries with one key the newer stays, in either order") {
  const LoadedEntry older{.key = "k", .value = "older", .version = 3, .create_version = 1};
  const LoadedEntry newer{.key = "k", .value = "newer", .version = 1ULL << 60, .create_version = 1};
  const bool newer_first = GENERATE(true, false);
  store.load(newer_first ? newer : older);
  store.load(newer_first ? older : newer);
  CHECK(get("k") == "newer");
  CHECK(store.totals().digest == digest_of(newer));
}

TEST_CASE_METHOD(ReplayFixture, "loading: numbers that make no sense are kept as near as can be, and crash nothing") {
  store.load({.key = "k", .value = "v", .type = static_cast<ValueType>(7), .version = 1, .create_version = 9});
  store.apply(expiry("k", INT64_MIN), 2);
  store.apply(set("k", "w"), UINT64_MAX);
  const HashedKey key("k");
  CHECK(store.read(key).find(key, kNow)->version() == UINT64_MAX);
  CHECK(get("k") == "w");
  store.apply(removal(MutationKind::kDelete, "k"), UINT64_MAX);
  CHECK(store.totals().digest == 0);
}

}  // namespace kv
