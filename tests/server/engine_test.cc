#include "server/engine.h"

#include <array>
#include <barrier>
#include <mutex>
#include <set>
#include <thread>

#include <catch2/catch.hpp>

#include "core/absl_text.h"
#include "core/error.h"
#include "kvstore/kvstore.pb.h"
#include "server/expirer.h"
#include "tests/server/engine_fixture.h"

using namespace kv;
using namespace std::chrono_literals;

TEST_CASE("engine: without a log a set is visible at once and answered at level MEMORY") {
  EngineFixture f;
  const auto first = f.set("k", "one");
  REQUIRE(first.ok());
  CHECK(first->revision == 1);
  CHECK(first->level == Level::kMemory);
  CHECK(first->applied);
  CHECK(f.get("k") == "one");
  CHECK(f.shown == 1);
  const auto second = f.set("k", "");
  CHECK(second->revision == 2);
  CHECK(f.get("k") == "");
}

TEST_CASE("engine: a delete tells whether the key was there, and changes nothing when it was not") {
  EngineFixture f;
  REQUIRE(f.set("k", "v").ok());
  CHECK(f.remove("k")->applied);
  CHECK_FALSE(f.get("k"));
  CHECK(f.shown == 2);  // A miss shows the removal.
  const auto again = f.remove("k");
  CHECK_FALSE(again->applied);
  CHECK(f.journal.applied() == 2);
}

TEST_CASE("engine: every byte of key and value is kept") {
  EngineFixture f;
  const std::string odd("\0 \n\r\t\xff\"", 7);
  REQUIRE(f.set(odd, odd + odd).ok());
  CHECK(f.get(odd) == odd + odd);
  CHECK_FALSE(f.get(odd.substr(0, 6)));
}

TEST_CASE("engine: without a log OS and DISK are refused before anything is applied") {
  EngineFixture f;
  for (const Level level : {Level::kOs, Level::kDisk}) {
    CHECK(has_reason(f.set("k", "v", kNoExpiry, level).status(), Reason::kDurabilityUnavailable));
    CHECK(has_reason(f.remove("k", level).status(), Reason::kDurabilityUnavailable));
  }
  CHECK_FALSE(f.get("k"));
  CHECK(f.journal.applied() == 0);
  CHECK(f.set("k", "v", kNoExpiry, Level::kMemory).ok());
}

TEST_CASE("engine: under fsync ALWAYS an OK means durable, and a lower level can be asked for") {
  EngineFixture f(FsyncPolicy::kAlways);
  const auto written = f.set("k", "v");
  REQUIRE(written.ok());
  CHECK(written->level == Level::kDisk);
  CHECK(f.journal.durable() >= written->revision);
  CHECK_FALSE(f.engine.must_wait(written->revision));
  CHECK(f.set("k", "v", kNoExpiry, Level::kMemory)->level == Level::kMemory);
  CHECK(f.set("k", "v", kNoExpiry, Level::kOs)->level == Level::kOs);
}

TEST_CASE("engine: under fsync INTERVAL an OK means handed to the kernel, and DISK can be asked for") {
  EngineFixture f(FsyncPolicy::kInterval);
  CHECK(f.set("k", "v")->level == Level::kOs);
  CHECK_FALSE(f.engine.must_wait(f.journal.applied() + 100));
  const auto written = f.set("k", "v", kNoExpiry, Level::kDisk);
  CHECK(f.journal.durable() >= written->revision);
}

TEST_CASE("engine: under fsync ALWAYS an answer that shows a revision waits until it is durable") {
  EngineFixture f(FsyncPolicy::kAlways);
  const auto early = f.set("k", "v", kNoExpiry, Level::kMemory);
  REQUIRE(early.ok());
  (void)f.get("k");
  CHECK(f.shown == early->revision);
  const auto wait = [](Engine& engine, Revision shown, Scheduler& home) -> Task<absl::Status> {
    co_return co_await engine.until_readable(shown, home);
  };
  CHECK(run_task(wait(f.engine, f.shown, f.scheduler)).ok());
  CHECK(f.journal.durable() >= early->revision);
}

TEST_CASE("engine: a due key is invisible at once, and what its absence shows is its own version") {
  EngineFixture f;
  REQUIRE(f.set("k", "v", f.clock.now() + 100).ok());
  CHECK(f.get("k") == "v");
  f.clock.advance(99ms);
  CHECK(f.get("k") == "v");
  f.clock.advance(1ms);
  CHECK_FALSE(f.get("k"));
  CHECK(f.shown == 1);
}

TEST_CASE("engine: a write to a due key sees a missing key and removes the old one first") {
  EngineFixture f;
  REQUIRE(f.set("k", "v", f.clock.now() + 100).ok());
  f.clock.advance(100ms);
  const auto written = f.set("k", "new");
  CHECK(f.get("k") == "new");
  CHECK(f.store.totals().keys == 1);
  f.engine.read(HashedKey("k"), [&](const Entry* entry) { CHECK(entry->create_version() == written->revision); });
}

TEST_CASE("engine: a delete of a due key answers that it was not there, and frees it") {
  EngineFixture f;
  REQUIRE(f.set("k", "v", f.clock.now() + 100).ok());
  f.clock.advance(100ms);
  CHECK_FALSE(f.remove("k")->applied);
  CHECK(f.store.totals().keys == 0);
}

TEST_CASE("engine: a set without expiry takes an expiry off the key") {
  EngineFixture f;
  REQUIRE(f.set("k", "v", f.clock.now() + 100).ok());
  REQUIRE(f.set("k", "w").ok());
  f.clock.advance(1h);
  CHECK(f.get("k") == "w");
}

TEST_CASE("engine: a call that is no longer wanted after admission is dropped without effect") {
  EngineFixture f;
  f.caller.wanted = error(Reason::kExpiredInQueue, "late");
  CHECK(has_reason(f.set("k", "v").status(), Reason::kExpiredInQueue));
  CHECK(has_reason(f.remove("k").status(), Reason::kExpiredInQueue));
  CHECK_FALSE(f.get("k"));
  CHECK(f.journal.applied() == 0);
}

TEST_CASE("engine: keys lists every key that is UTF-8 and counts the others") {
  EngineFixture f;
  std::vector<std::string> expected;
  for (int i = 0; i < 1000; ++i) {
    expected.push_back("key " + std::to_string(i));
    REQUIRE(f.set(expected.back(), "v").ok());
  }
  REQUIRE(f.set("\xff\xfe", "v").ok());
  REQUIRE(f.set("due", "v", f.clock.now() + 1).ok());
  f.clock.advance(1ms);
  const auto listing = run_task(f.engine.keys(1 << 20, f.caller));
  REQUIRE(listing.ok());
  kvstore::KeysResponse names;
  REQUIRE(names.ParseFromString(listing->names));
  std::vector<std::string> keys(names.keys().begin(), names.keys().end());
  std::ranges::sort(keys);
  std::ranges::sort(expected);
  CHECK(keys == expected);
  CHECK(listing->omitted == 1);
  CHECK(listing->revision == 1002);
}

TEST_CASE("engine: keys of any length are listed as the library writes them") {
  EngineFixture f;
  for (const std::size_t length : {1, 127, 128, 16'383, 16'384, 65'536}) {
    const std::string key(length, 'k');
    REQUIRE(f.set(key, "v").ok());
    const auto listing = run_task(f.engine.keys(1 << 20, f.caller));
    REQUIRE(listing.ok());
    kvstore::KeysResponse library;
    library.add_keys(key);
    CHECK(listing->names == library.SerializeAsString());
    Operation removal;
    removal.kind = OperationKind::kDelete;
    removal.key = key;
    REQUIRE(run_task(f.engine.write(removal, f.caller)).ok());
  }
}

TEST_CASE("engine: keys beyond the bound are refused, naming the call that lists in parts") {
  EngineFixture f;
  REQUIRE(f.set(std::string(90, 'k'), "v").ok());
  CHECK(run_task(f.engine.keys(92, f.caller)).ok());
  const auto refused = run_task(f.engine.keys(91, f.caller));
  CHECK(has_reason(refused.status(), Reason::kResponseTooLarge));
  CHECK_THAT(std::string(message_of(refused.status())), Catch::Matchers::Contains("Scan"));
}

TEST_CASE("engine: sizes are checked against the limits, which the refusal names") {
  EngineFixture f;
  CHECK(has_reason(f.engine.check_key(""), Reason::kEmptyKey));
  CHECK(f.engine.check_key(std::string(64 << 10, 'k')).ok());
  const auto long_key = f.engine.check_key(std::string((64 << 10) + 1, 'k'));
  CHECK(has_reason(long_key, Reason::kKeyTooLarge));
  CHECK(facts_of(long_key).at("limit") == "65536");
  const std::size_t most = (4 << 20) - (4 << 10);
  CHECK(f.engine.check_entry("k", std::string(most - 1, 'v')).ok());
  const auto large = f.engine.check_entry("k", std::string(most, 'v'));
  CHECK(has_reason(large, Reason::kEntryTooLarge));
  CHECK(facts_of(large).at("limit") == std::to_string(most));
}

TEST_CASE("engine: the largest entry goes through the log") {
  EngineFixture f(FsyncPolicy::kAlways);
  const std::string key(64 << 10, 'k');
  const std::string value((4 << 20) - (4 << 10) - key.size(), 'v');
  REQUIRE(f.set(key, value).ok());
  CHECK(f.get(key) == value);
}

TEST_CASE("engine: before and after serving it says which it is") {
  ManualClock clock;
  Store store{{.shard_count = 1}};
  LoadProgress progress;
  progress.bytes_total = 200;
  progress.bytes_done = 84;
  Engine engine(store, clock, Limits{}, progress);
  CHECK(has_reason(engine.ready(), Reason::kLoading));
  CHECK(facts_of(engine.ready()).at("progress_percent") == "42");
  engine.stop_serving();
  CHECK(has_reason(engine.ready(), Reason::kShuttingDown));
}

TEST_CASE("engine: changes of one key from many threads are applied in the order of their revisions") {
  EngineFixture f(FsyncPolicy::kNever);
  constexpr std::size_t kThreads = 4;
  constexpr int kRounds = 500;
  struct Written {
    Revision revision = 0;
    std::string value;
  };
  std::array<Written, kThreads> written;
  std::barrier together(kThreads);
  int wrong = 0;
  // In each round all write the same key; then the newest revision must be the one that shows.
  const auto write_all = [&](std::size_t thread) {
    for (int round = 0; round < kRounds; ++round) {
      const std::string value = std::to_string(thread) + ":" + std::to_string(round);
      together.arrive_and_wait();
      written[thread] = {f.set("k", value)->revision, value};
      together.arrive_and_wait();
      if (thread != 0) continue;
      const Written& newest = *std::ranges::max_element(written, {}, &Written::revision);
      if (f.get("k") != newest.value || f.shown != newest.revision) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) threads.emplace_back(write_all, t);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(f.journal.applied() == kThreads * kRounds);
}

TEST_CASE("engine: of those who compare and set the same version, from many threads, one wins each time") {
  EngineFixture f;
  REQUIRE(f.set("k", "v").ok());
  std::mutex mutex;
  std::set<Revision> replaced;
  int twice = 0;
  const auto compete = [&] {
    for (int i = 0; i < 1000; ++i) {
      Operation operation = set_operation("k", "v");
      operation.precondition.test = Precondition::Test::kVersion;
      f.engine.read(HashedKey("k"), [&](const Entry* entry) { operation.precondition.version = entry->version(); });
      if (!f.write(operation)->applied) continue;
      const std::lock_guard lock(mutex);
      twice += replaced.insert(operation.precondition.version).second ? 0 : 1;
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back(compete);
  for (std::thread& thread : threads) thread.join();
  CHECK(twice == 0);
  CHECK(replaced.size() == f.journal.applied() - 1);
}

TEST_CASE("expirer: what fell due while nobody served is removed before serving, through the log") {
  EngineFixture f(FsyncPolicy::kAlways);
  for (int i = 0; i < 300; ++i)
    REQUIRE(f.set("k" + std::to_string(i), "v", f.clock.now() + 1 + i, Level::kMemory).ok());
  f.clock.advance(200ms);
  const Revision before = f.journal.applied();
  Expirer expirer(f.engine);
  REQUIRE(expirer.sweep_now().ok());
  CHECK(f.store.totals().keys == 100);
  CHECK(expirer.expired_total() == 200);
  CHECK(expirer.lateness().sum_millis() == 199 * 200 / 2);  // From 199 ms down to none.
  CHECK(expirer.lateness().in_bucket(0) == 2);              // 0 and 1 ms
  CHECK(f.journal.applied() > before);
  CHECK(f.journal.applied() - before <= 8 * 2);  // In batches, not one record a key.
}

TEST_CASE("expirer: a key is removed by the thread soon after its time, also when it was set while the thread slept") {
  EngineFixture f;
  Expirer expirer(f.engine);
  expirer.start();
  const UnixMillis due = f.clock.now() + 1;
  REQUIRE(f.set("k", "v", due).ok());
  f.clock.advance(5ms);
  expirer.note(due);
  while (expirer.expired_total() == 0) std::this_thread::yield();
  CHECK(f.store.totals().keys == 0);
  expirer.stop();
}
