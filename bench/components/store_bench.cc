// The map alone: one thread, keys of 16 bytes, values of 64, in random order over so many keys.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "store/store.h"

namespace kv {
namespace {

constexpr std::size_t kShards = 64;
constexpr UnixMillis kNow = 1'700'000'000'000;

std::vector<std::string> keys_of(std::int64_t count) {
  std::vector<std::string> keys;
  for (std::int64_t i = 0; i < count; ++i) {
    std::string number = std::to_string(i);
    keys.push_back("k" + std::string(15 - number.size(), '0') + number);
  }
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(1));
  return keys;
}

void put(Store& store, std::string_view key, std::string_view value, Revision revision) {
  const HashedKey hashed(key);
  const HashedValue hashed_value(value);
  WriteLock lock = store.write(hashed);
  lock.publish(lock.prepare_put(hashed, hashed_value, ValueType::kString, kNoExpiry), revision);
}

void fill(Store& store, const std::vector<std::string>& keys) {
  const std::string value(64, 'v');
  Revision revision = 0;
  for (const std::string& key : keys) put(store, key, value, ++revision);
}

void find_in_store(benchmark::State& state) {
  const auto keys = keys_of(state.range(0));
  Store store(StoreOptions{.shard_count = kShards});
  fill(store, keys);
  std::size_t at = 0;
  for (auto _ : state) {
    const HashedKey key(keys[at]);
    const ReadLock lock = store.read(key);
    benchmark::DoNotOptimize(lock.find(key, kNow)->value().front());
    at = at + 1 == keys.size() ? 0 : at + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(find_in_store)->ArgName("keys")->Arg(10'000)->Arg(1'000'000);

void put_over_a_key(benchmark::State& state) {
  const auto keys = keys_of(state.range(0));
  Store store(StoreOptions{.shard_count = kShards});
  fill(store, keys);
  const std::string value(64, 'w');
  Revision revision = keys.size();
  std::size_t at = 0;
  for (auto _ : state) {
    put(store, keys[at], value, ++revision);
    at = at + 1 == keys.size() ? 0 : at + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(put_over_a_key)->ArgName("keys")->Arg(10'000)->Arg(1'000'000);

void put_new_keys(benchmark::State& state) {
  const auto keys = keys_of(state.range(0));
  for (auto _ : state) {
    Store store(StoreOptions{.shard_count = kShards});
    fill(store, keys);
    state.counters["bytes a key"] =
        static_cast<double>(store.totals().memory_bytes) / static_cast<double>(state.range(0));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(put_new_keys)->ArgName("keys")->Arg(10'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kv
