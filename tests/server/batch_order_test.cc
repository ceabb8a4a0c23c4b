// The order in which a batch is carried out: shard after shard, and on each as it was asked.
#include <cstddef>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "server/batch.h"

using namespace kv;

namespace {

struct Place {
  std::size_t shard;
  std::size_t item;
};

// Reads of the keys, which outlive it, planned.
Batch reads_of(const std::vector<std::string>& keys, const Store& store) {
  Batch batch;
  for (const std::string& key : keys) {
    Operation operation;
    operation.kind = OperationKind::kGet;
    operation.key = key;
    batch.add(operation);
  }
  batch.plan(store);
  return batch;
}

std::vector<std::string> numbers_below(int limit) {
  std::vector<std::string> keys;
  for (int i = 0; i < limit; ++i) keys.push_back(std::to_string(i));
  return keys;
}

std::vector<Place> planned(std::size_t operations, std::size_t shards) {
  const Store store({.shard_count = shards});
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < operations; ++i) keys.push_back("key" + std::to_string(i % (operations / 2 + 1)));
  const Batch batch = reads_of(keys, store);
  std::vector<Place> places;
  for (std::size_t i = 0; i < batch.steps(); ++i) {
    const Batch::Step& step = batch.step(i);
    CHECK(step.shard == store.shard_of(HashedKey(keys[step.item])));
    places.push_back({step.shard, step.item});
  }
  return places;
}

}  // namespace

TEST_CASE("batch: steps are in the order of the shards, those of one shard in that of the message") {
  const std::size_t operations = GENERATE(1, 16, 32, 33, 128, 3000);
  const std::size_t shards = GENERATE(1, 64, 256, 512, 65536);
  INFO(operations << " operations, " << shards << " shards");
  const std::vector<Place> places = planned(operations, shards);
  REQUIRE(places.size() == operations);
  std::vector<bool> there(operations);
  for (std::size_t i = 0; i < places.size(); ++i) {
    CHECK_FALSE(there[places[i].item]);
    there[places[i].item] = true;
    if (i == 0) continue;
    CHECK(places[i - 1].shard <= places[i].shard);
    if (places[i - 1].shard == places[i].shard) CHECK(places[i - 1].item < places[i].item);
  }
}

TEST_CASE("batch: a group ends where its shard does, or at the limit") {
  const Store store({.shard_count = 2});
  const std::vector<std::string> keys = numbers_below(100);
  const Batch batch = reads_of(keys, store);
  const std::size_t first = batch.group_end(0, batch.steps());
  REQUIRE(first > 1);
  REQUIRE(first < batch.steps());
  CHECK(batch.step(first - 1).shard == 0);
  CHECK(batch.step(first).shard == 1);
  CHECK(batch.group_end(0, first - 1) == first - 1);
  CHECK(batch.group_end(first, batch.steps()) == batch.steps());
}

TEST_CASE("batch: asking for memory comes to the end, whoever holds the shards") {
  Store store({.shard_count = 64});
  const std::vector<std::string> keys = numbers_below(300);
  const Batch batch = reads_of(keys, store);
  const WriteLock held = store.write_shard(batch.step(0).shard);
  std::size_t asked = 0;
  int rounds = 0;
  while (asked < batch.steps()) {
    const std::size_t next = batch.prefetch(asked, batch.steps(), store);
    REQUIRE(next > asked);
    asked = next;
    ++rounds;
  }
  CHECK(asked == batch.steps());
  CHECK(rounds == 4);  // of 16 shards
}
