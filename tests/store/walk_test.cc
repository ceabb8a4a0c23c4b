// Walks through a store that is written to meanwhile, against a plain map.
#include "store/walk.h"

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "failing_allocation.h"
#include "tests/support/manual_clock.h"

namespace kv {
namespace {

constexpr std::size_t kPlenty = std::size_t{1} << 30;

// What a walk showed: key to "version value".
using Shown = std::map<std::string, std::string>;

std::string text_of(Revision version, std::string_view value) {
  return std::to_string(version) + " " + std::string(value);
}

PreparedPut prepare(WriteLock& lock, const HashedKey& key, std::string_view value, UnixMillis expire_at) {
  const Entry* present = lock.find_even_due(key);
  if (present == nullptr) return lock.prepare_put(key, value, ValueType::kString, expire_at);
  return lock.prepare_over(*present, key, value, ValueType::kString, expire_at);
}

// A store whose changes get the revisions 1, 2, 3, and what a plain map says of it.
struct WalkedStore {
  explicit WalkedStore(std::size_t shards = 4) : store(StoreOptions{shards}) {}

  void put(const std::string& key, const std::string& value, UnixMillis expire_at = kNoExpiry) {
    const HashedKey hashed(key);
    WriteLock lock = store.write(hashed);
    lock.publish(prepare(lock, hashed, value, expire_at), ++revision);
    model[key] = text_of(revision, value);
  }
  void remove(const std::string& key) {
    const HashedKey hashed(key);
    WriteLock lock = store.write(hashed);
    const Entry* entry = lock.find_even_due(hashed);
    if (entry == nullptr) return;
    lock.erase(*entry, ++revision);
    model.erase(key);
  }
  void random_change(std::mt19937_64& random, std::size_t keys) {
    const std::string key = "key " + std::to_string(random() % keys);
    if (random() % 4 == 0) {
      remove(key);
    } else {
      put(key, std::string(random() % 40, 'v'));
    }
  }

  ManualClock clock;
  Store store;
  Revision revision = 0;
  Shown model;
};

// One walk, with what it showed. Nothing may be shown twice.
struct Walking {
  Walking(WalkedStore& walked, WalkOptions options = {.budget_bytes = kPlenty}, WalkPlace from = {})
      : walk(walked.store, walked.clock, std::move(options), from) {}
  static std::unique_ptr<Walking> snapshot(WalkedStore& walked, WalkOptions options = {.budget_bytes = kPlenty},
                                           WalkPlace from = {}) {
    auto walking = std::make_unique<Walking>(walked, std::move(options), from);
    walking->walk.watch_all();
    walking->walk.fix(walked.revision);
    return walking;
  }

  StoreWalk::Step step() {
    return walk.step([this](const Entry& entry) {
      if (refuse_after && order.size() == *refuse_after) return false;
      const std::string key(entry.key());
      REQUIRE(shown.emplace(key, text_of(entry.version(), entry.value())).second);
      order.push_back(key);
      return true;
    });
  }
  // To the end, or until it stops.
  StoreWalk::Step run() {
    StoreWalk::Step last = StoreWalk::Step::kGoOn;
    while (last == StoreWalk::Step::kGoOn) last = step();
    return last;
  }

  StoreWalk walk;
  Shown shown;
  std::vector<std::string> order;
  std::optional<std::size_t> refuse_after;
};

}  // namespace

TEST_CASE("walk: snapshots begun at any time show the map as it was, while keys come, change and go") {
  const char* wanted = std::getenv("KV_TEST_SEED");
  const auto seed = wanted != nullptr ? std::stoull(wanted) : std::random_device{}();
  INFO("KV_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 60; ++round) {
    WalkedStore walked(std::size_t{1} << random() % 4);
    const std::size_t keys = 1 + random() % 3000;  // tables grow and shrink under the walks
    for (std::size_t i = random() % 3000; i > 0; --i) walked.random_change(random, keys);
    std::vector<std::pair<std::unique_ptr<Walking>, Shown>> walks;
    for (int i = 0; i < 3000; ++i) {
      if (walks.size() < 3 && random() % 100 == 0) walks.emplace_back(Walking::snapshot(walked), walked.model);
      for (auto& [walking, expected] : walks) {
        if (random() % 8 == 0) walking->step();
      }
      walked.random_change(random, keys);
    }
    for (auto& [walking, expected] : walks) {
      REQUIRE(walking->run() == StoreWalk::Step::kEnd);
      REQUIRE(walking->shown == expected);
      while (!walking->walk.let_go()) {
      }
      REQUIRE(walking->walk.kept_bytes() == 0);
    }
  }
}

TEST_CASE("walk: what was changed between the first watch and the revision is shown as of the revision") {
  WalkedStore walked;
  for (int i = 0; i < 1000; ++i) walked.put("key " + std::to_string(i), "before");
  Walking walking(walked);
  walking.walk.watch_all();
  for (int i = 0; i < 500; ++i) walked.put("key " + std::to_string(i), "between");
  for (int i = 400; i < 450; ++i) walked.remove("key " + std::to_string(i));
  for (int i = 300; i < 410; ++i) walked.put("key " + std::to_string(i), "between again");
  walking.walk.fix(walked.revision);
  const Shown expected = walked.model;
  for (int i = 0; i < 1000; ++i) walked.put("key " + std::to_string(i), "after");
  CHECK(walking.run() == StoreWalk::Step::kEnd);
  CHECK(walking.shown == expected);
}

TEST_CASE("walk: four writers at full speed do not disturb what a snapshot shows") {
  constexpr std::size_t kKeys = 5000;
  constexpr int kWriters = 4;
  WalkedStore walked(8);
  for (std::size_t i = 0; i < kKeys; ++i) walked.put("key " + std::to_string(i), "first");
  // Each change with its revision, noted while its shard is locked.
  std::mutex mutex;
  std::vector<std::pair<std::string, std::string>> notes;  // [n] of revision n + 1 + kKeys; an empty value is a removal
  std::atomic<Revision> last{walked.revision};
  std::atomic<bool> stopping{false};
  std::vector<std::thread> writers;
  for (unsigned number = 0; number < kWriters; ++number) {
    writers.emplace_back([&, number] {
      std::mt19937_64 random(number);
      while (!stopping) {
        const std::string key = "key " + std::to_string(random() % (kKeys * 2));
        const std::string value = random() % 3 == 0 ? "" : "value " + std::to_string(random());
        const HashedKey hashed(key);
        WriteLock lock = walked.store.write(hashed);
        const Entry* entry = lock.find_even_due(hashed);
        if (value.empty() && entry == nullptr) continue;
        std::optional<PreparedPut> prepared;
        if (!value.empty()) prepared.emplace(prepare(lock, hashed, value, kNoExpiry));
        Revision revision = 0;
        {
          const std::lock_guard notes_lock(mutex);
          notes.emplace_back(key, value);
          revision = kKeys + notes.size();
          last = revision;
        }
        if (prepared) {
          lock.publish(*std::move(prepared), revision);
        } else {
          lock.erase(*entry, revision);
        }
      }
    });
  }
  Shown model = walked.model;
  std::size_t replayed = 0;
  for (int round = 0; round < 8; ++round) {
    Walking walking(walked);
    walking.walk.watch_all();
    const Revision at = last;
    walking.walk.fix(at);
    REQUIRE(walking.run() == StoreWalk::Step::kEnd);
    {
      const std::lock_guard notes_lock(mutex);
      for (; replayed < at - kKeys; ++replayed) {
        const auto& [key, value] = notes[replayed];
        if (value.empty()) {
          model.erase(key);
        } else {
          model[key] = text_of(kKeys + 1 + replayed, value);
        }
      }
    }
    REQUIRE(walking.shown == model);
  }
  stopping = true;
  for (std::thread& writer : writers) writer.join();
  CHECK(replayed > 100);
}

TEST_CASE("walk: it can be taken up at any place by another walk, of a store with another number of shards") {
  WalkedStore first(16), second(1), third(128);
  Shown all;
  for (int i = 0; i < 2000; ++i) {
    const std::string key = "key " + std::to_string(i);
    for (WalkedStore* walked : {&first, &second, &third}) walked->put(key, "v");
    all[key] = text_of(first.model.size(), "v");
  }
  const std::size_t cut = GENERATE(0U, 1U, 999U, 1999U, 2000U);
  auto begun = Walking::snapshot(first);
  begun->refuse_after = cut;
  CHECK(begun->run() == (cut < all.size() ? StoreWalk::Step::kFull : StoreWalk::Step::kEnd));
  auto taken_up = Walking::snapshot(second, {.budget_bytes = kPlenty}, begun->walk.from());
  taken_up->refuse_after = 100;
  taken_up->run();
  Walking to_the_end(third, {.budget_bytes = kPlenty}, taken_up->walk.from());
  CHECK(to_the_end.run() == StoreWalk::Step::kEnd);
  Shown together = begun->shown;
  CHECK(together.size() == cut);
  for (const Walking* part : {taken_up.get(), &to_the_end}) {
    for (const auto& [key, value] : part->shown) REQUIRE(together.emplace(key, value).second);
  }
  CHECK(together == all);
}

TEST_CASE("walk: the order is the same for every number of shards, and a refused entry comes first the next time") {
  std::vector<std::vector<std::string>> orders;
  for (const std::size_t shards : {1U, 8U, 64U}) {
    WalkedStore walked(shards);
    for (int i = 0; i < 1500; ++i) walked.put("key " + std::to_string(i), "v");
    Walking walking(walked);
    for (std::size_t pause = 7;; pause += 7) {
      walking.refuse_after = pause;
      if (walking.run() == StoreWalk::Step::kEnd) break;
    }
    orders.push_back(walking.order);
  }
  CHECK(orders[0].size() == 1500);
  CHECK(orders[0] == orders[1]);
  CHECK(orders[0] == orders[2]);
}

TEST_CASE("walk: when writers replace more than the budget a snapshot is spent, and goes on elsewhere from its place") {
  WalkedStore walked(4);
  for (int i = 0; i < 4000; ++i) walked.put("key " + std::to_string(i), std::string(100, 'a'));
  auto walking = Walking::snapshot(walked, {.budget_bytes = 50'000});
  while (walking->order.size() < 500) REQUIRE(walking->step() == StoreWalk::Step::kGoOn);
  for (int i = 0; i < 4000; ++i) {
    walked.put("key " + std::to_string(i), std::string(100, 'b'));
    REQUIRE(walking->walk.kept_bytes() < 51'000);
  }
  CHECK(walking->run() == StoreWalk::Step::kSpent);
  CHECK(walking->run() == StoreWalk::Step::kSpent);
  const Shown before = walking->shown;
  auto next = Walking::snapshot(walked, {.budget_bytes = 50'000}, walking->walk.from());
  CHECK(next->run() == StoreWalk::Step::kEnd);
  CHECK(next->shown.size() + before.size() == 4000);
  for (const auto& [key, value] : next->shown) REQUIRE(!before.contains(key));
}

TEST_CASE("walk: what writers change outside of the range, behind the walk or twice costs the budget nothing") {
  WalkedStore walked(1);
  for (int i = 0; i < 2000; ++i) walked.put("a " + std::to_string(i), "first");
  for (int i = 0; i < 2000; ++i) walked.put("b " + std::to_string(i), "first");
  auto walking = Walking::snapshot(walked, {.range = KeyRange::with_prefix("a "), .budget_bytes = kPlenty});
  for (int i = 0; i < 2000; ++i) walked.put("b " + std::to_string(i), "second");
  CHECK(walking->walk.kept_bytes() == 0);
  walked.put("a 1", "second");
  const std::size_t one = walking->walk.kept_bytes();
  CHECK(one > 0);
  for (int i = 0; i < 100; ++i) walked.put("a 1", "again");
  CHECK(walking->walk.kept_bytes() == one);
  CHECK(walked.store.bytes_kept_for_walks() == one);
  CHECK(walking->run() == StoreWalk::Step::kEnd);
  CHECK(walking->shown.size() == 2000);
  CHECK(walking->shown.at("a 1") == text_of(2, "first"));
  for (int i = 0; i < 2000; ++i) walked.put("a " + std::to_string(i), "third");
  CHECK(walking->walk.kept_bytes() == 0);
  CHECK(walked.store.bytes_kept_for_walks() == 0);
}

TEST_CASE("walk: a relaxed walk shows each key that stays once, also when more is replaced than its budget holds") {
  std::mt19937_64 random(GENERATE(1U, 2U, 3U, 4U));
  WalkedStore walked(2);
  for (int i = 0; i < 1000; ++i) walked.put("stays " + std::to_string(i), "v");
  for (int i = 0; i < 1000; ++i) walked.random_change(random, 1000);
  Walking walking(walked, {.budget_bytes = GENERATE(as<std::size_t>(), 20'000, 1 << 30)});
  StoreWalk::Step last = StoreWalk::Step::kGoOn;
  while (last == StoreWalk::Step::kGoOn) {
    for (int i = 0; i < 60; ++i) walked.random_change(random, 1000);
    walked.put("stays " + std::to_string(random() % 1000), "w");
    last = walking.step();
  }
  CHECK(last == StoreWalk::Step::kEnd);
  int stayed = 0;
  for (const auto& [key, value] : walking.shown) stayed += key.starts_with("stays") ? 1 : 0;
  CHECK(stayed == 1000);
}

TEST_CASE("walk: a relaxed walk without writers shows exactly what is there") {
  WalkedStore walked(8);
  for (int i = 0; i < 3000; ++i) walked.put("key " + std::to_string(i), "v");
  Walking walking(walked);
  CHECK(walking.run() == StoreWalk::Step::kEnd);
  CHECK(walking.shown == walked.model);
  CHECK(walking.walk.examined() == 3000);
  CHECK(walking.run() == StoreWalk::Step::kEnd);
}

TEST_CASE("walk: due keys are not shown, and a key that falls due meanwhile is shown as it was at the revision") {
  WalkedStore walked(2);
  walked.put("due", "v", walked.clock.now());
  walked.put("soon", "v", walked.clock.now() + 1);
  walked.put("stays", "v");
  auto walking = Walking::snapshot(walked);
  walked.clock.advance(std::chrono::milliseconds(1));
  walked.remove("soon");
  CHECK(walking->run() == StoreWalk::Step::kEnd);
  CHECK(walking->order.size() == 2);
  CHECK(walking->shown.contains("soon"));
  Walking later(walked);
  CHECK(later.run() == StoreWalk::Step::kEnd);
  CHECK(later.order == std::vector<std::string>{"stays"});
}

TEST_CASE("walk: only what matches is shown, all that is there is counted as examined") {
  WalkedStore walked(2);
  for (int i = 0; i < 1000; ++i) walked.put("key " + std::to_string(i), std::to_string(i));
  const auto odd = [](const Entry& entry) { return (entry.value().back() - '0') % 2 == 1; };
  auto walking = Walking::snapshot(walked, {.range = {.start = "key 5", .end = "key 6"}, .matches = odd});
  CHECK(walking->run() == StoreWalk::Step::kEnd);
  CHECK(walking->shown.size() == 56);  // of 5, 50 to 59, 500 to 599
  CHECK(walking->walk.examined() == 1000);
}

TEST_CASE(
    "walk: a writer that finds no memory to keep something for a walk writes all the same, and the walk is spent") {
  WalkedStore walked(1);
  for (int i = 0; i < 100; ++i) walked.put("key " + std::to_string(i), "v");
  const std::size_t successes = GENERATE(0U, 1U);
  auto one = Walking::snapshot(walked);
  auto other = Walking::snapshot(walked);
  {
    const HashedKey key("key 5");
    WriteLock lock = walked.store.write(key);
    const Entry* entry = lock.find_even_due(key);
    const FailingAllocation failing(successes);
    lock.erase(*entry, ++walked.revision);
    CHECK(failing.struck());
  }
  CHECK(walked.store.totals().keys == 99);
  CHECK(one->run() == StoreWalk::Step::kSpent);
  CHECK(other->run() == StoreWalk::Step::kSpent);
}

TEST_CASE("walk: one that is dropped anywhere leaves the store as if it had never been") {
  WalkedStore walked(8);
  for (int i = 0; i < 2000; ++i) walked.put("key " + std::to_string(i), "v");
  for (int steps = 0; steps < 60; steps += 3) {
    auto walking = steps % 2 == 0 ? Walking::snapshot(walked) : std::make_unique<Walking>(walked);
    for (int i = 0; i < steps; ++i) {
      walking->step();
      walked.put("key " + std::to_string(i), "w");
    }
  }
  walked.store.clear();
  CHECK(walked.store.totals().keys == 0);
}

TEST_CASE("key range: a prefix holds exactly the keys that begin with it") {
  CHECK(KeyRange::with_prefix("ab").contains("ab"));
  CHECK(KeyRange::with_prefix("ab").contains(std::string("ab\xff\xff\xff")));
  CHECK_FALSE(KeyRange::with_prefix("ab").contains("ac"));
  CHECK_FALSE(KeyRange::with_prefix("ab").contains("aa\xff"));
  CHECK(KeyRange::with_prefix("a\xff").contains("a\xff\xff"));
  CHECK_FALSE(KeyRange::with_prefix("a\xff").contains("b"));
  CHECK(KeyRange::with_prefix("\xff\xff").contains("\xff\xff\xff"));
  CHECK_FALSE(KeyRange::with_prefix("\xff\xff").contains("\xff\xfe"));
  CHECK(KeyRange::with_prefix("").is_everything());
  CHECK(KeyRange{.start = std::string(1, '\0')}.is_everything());
  CHECK_FALSE(KeyRange{.start = std::string(2, '\0')}.is_everything());
  CHECK_FALSE(KeyRange{.end = "z"}.is_everything());
}

}  // namespace kv
