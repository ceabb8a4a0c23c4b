// Random operations against a plain map: the store and its figures must always agree with it.
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include <catch2/catch.hpp>

#include "store/frozen_walk.h"
#include "store/store.h"

namespace kv {
namespace {

struct Expected {
  std::string value;
  Revision version;
  Revision create_version;
  UnixMillis expire_at;
};

class Walk {
 public:
  explicit Walk(unsigned seed) : random_(seed) {}

  void step() {
    now_ += pick(3);
    const std::string key = "key" + std::to_string(pick(300));
    switch (pick(8)) {
      case 0:
      case 1:
        return remove(key);
      case 2:
        return move_expiry(key);
      case 3:
        return expire_some();
      default:
        return put(key);
    }
  }

  void check() const {
    StoreTotals expected;
    for (const auto& [key, entry] : model_) {
      expected.keys += 1;
      expected.expiring_keys += entry.expire_at != kNoExpiry;
      expected.data_bytes += key.size() + entry.value.size();
      expected.digest += digest_of({.key = key,
                                    .value = entry.value,
                                    .version = entry.version,
                                    .create_version = entry.create_version,
                                    .expire_at = entry.expire_at});
    }
    expected.memory_bytes = store_.totals().memory_bytes;
    REQUIRE(store_.totals() == expected);
    std::uint64_t walked = 0;
    store_.for_each_frozen([&walked](const Entry& entry) { walked += digest_of(entry.fields()); });
    REQUIRE(walked == expected.digest);
    UnixMillis earliest = kNoExpiry;
    for (const auto& [key, entry] : model_) {
      const HashedKey hashed(key);
      const ReadLock lock = store_.read(hashed);
      const Entry* found = lock.find(hashed, now_);
      const bool due = entry.expire_at != kNoExpiry && entry.expire_at <= now_;
      REQUIRE((found == nullptr) == due);
      if (entry.expire_at != kNoExpiry && (earliest == kNoExpiry || entry.expire_at < earliest)) {
        earliest = entry.expire_at;
      }
    }
    const UnixMillis hint = store_.next_expiry();
    REQUIRE((earliest == kNoExpiry || (hint != kNoExpiry && hint <= earliest)));
  }

  void finish(const StoreTotals& empty) {
    while (!model_.empty()) remove(std::string(model_.begin()->first));
    REQUIRE(store_.totals() == empty);
  }
  StoreTotals totals() const { return store_.totals(); }

 private:
  std::uint64_t pick(std::uint64_t below) {
    return std::uniform_int_distribution<std::uint64_t>(0, below - 1)(random_);
  }
  UnixMillis some_expiry() {
    constexpr UnixMillis kFar = 1'000'000'000'000;  // beyond what five bytes hold
    const auto choice = pick(10);
    if (choice < 4) return kNoExpiry;
    return now_ + UnixMillis(pick(200)) + (choice == 9 ? kFar : 0);
  }

  void put(const std::string& key) {
    const HashedKey hashed(key);
    const UnixMillis expire_at = some_expiry();
    WriteLock lock = store_.write(hashed);
    const Entry* old = lock.find_even_due(hashed);
    const bool was_due = old != nullptr && old->due(now_);
    const std::size_t length = old != nullptr && pick(2) == 0 ? old->value().size()
                               : pick(10) == 0                ? pick(2000)
                                                              : pick(80);
    const std::string value(length, static_cast<char>(pick(256)));
    PreparedPut put = old != nullptr && !was_due && pick(3) != 0
                          ? lock.prepare_over(*old, hashed, HashedValue(value), ValueType::kString, expire_at)
                          : lock.prepare_put(hashed, HashedValue(value), ValueType::kString, expire_at);
    if (pick(10) == 0) return;  // The journal refused: nothing happens.
    revision_ += 1 + (pick(50) == 0 ? 1ULL << 33 : 0);
    if (was_due) {
      lock.erase(*old, revision_);
      model_.erase(key);
    }
    lock.publish(std::move(put), revision_);
    const auto known = model_.find(key);
    const Revision created = known == model_.end() ? revision_ : known->second.create_version;
    model_[key] = {value, revision_, created, expire_at};
  }
  void remove(const std::string& key) {
    const HashedKey hashed(key);
    WriteLock lock = store_.write(hashed);
    const Entry* entry = lock.find_even_due(hashed);
    REQUIRE((entry != nullptr) == model_.contains(key));
    if (entry == nullptr) return;
    lock.erase(*entry, ++revision_);
    model_.erase(key);
  }
  void move_expiry(const std::string& key) {
    const HashedKey hashed(key);
    WriteLock lock = store_.write(hashed);
    const Entry* entry = lock.find(hashed, now_);
    if (entry == nullptr) return;
    const UnixMillis expire_at = some_expiry();
    const HashedValue same(entry->value(), entry->value_hash());
    PreparedPut put = pick(2) == 0 ? lock.prepare_expiry(*entry, expire_at)
                                   : lock.prepare_over(*entry, hashed, same, entry->type(), expire_at);
    lock.publish(std::move(put), ++revision_);
    model_.at(key).version = revision_;
    model_.at(key).expire_at = expire_at;
  }
  void expire_some() {
    const std::size_t most = 1 + pick(5);
    for (std::size_t shard = 0; shard < store_.shard_count(); ++shard) {
      std::vector<std::string> keys;
      store_.collect_due(shard, now_, most, keys);
      REQUIRE(keys.size() == std::min(most, due_in(shard)));
      UnixMillis previous = 0;
      for (const std::string& key : keys) {
        REQUIRE(model_.contains(key));
        REQUIRE(previous <= model_.at(key).expire_at);
        previous = model_.at(key).expire_at;
        remove(key);
      }
    }
  }
  std::size_t due_in(std::size_t shard) const {
    std::size_t count = 0;
    for (const auto& [key, entry] : model_) {
      if (entry.expire_at != kNoExpiry && entry.expire_at <= now_ && store_.shard_of(HashedKey(key)) == shard) ++count;
    }
    return count;
  }

  std::mt19937_64 random_;
  Store store_{StoreOptions{2}};
  std::map<std::string, Expected> model_;
  Revision revision_ = 0;
  UnixMillis now_ = 1'700'000'000'000;
};

}  // namespace

TEST_CASE("store: thousands of random operations leave what a plain map says") {
  const char* wanted = std::getenv("KV_TEST_SEED");
  const unsigned seed = wanted != nullptr ? static_cast<unsigned>(std::stoul(wanted)) : std::random_device{}();
  INFO("KV_TEST_SEED=" << seed);
  Walk walk(seed);
  const StoreTotals empty = walk.totals();
  for (int i = 0; i < 30000; ++i) {
    walk.step();
    if (i % 200 == 0) walk.check();
  }
  walk.check();
  walk.finish(empty);
}

}  // namespace kv
