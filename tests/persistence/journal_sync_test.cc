// What a sync of the log covers, when the next one comes, and what a sync makes known.
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/persistence/journal_disk_story.h"
#include "tests/support/disk_gate.h"
#include "tests/support/manual_clock.h"

namespace kv {

TEST_CASE("journal: what queues during a sync shares the next one") {
  DiskStory disk;
  DiskGate gate(disk.fs);
  Journal& journal = disk.story.start_logging();
  gate.close();
  const std::uint64_t syncs = disk.fs.calls(DiskCall::kSyncData);
  disk.story.write("first", "1");
  gate.wait_until_reached();
  for (int i = 0; i < 100; ++i) disk.story.write("k" + std::to_string(i), "v");
  CHECK(disk.story.outcomes_.count() == 0);
  gate.open();
  disk.story.outcomes_.wait_for(101);
  CHECK(disk.fs.calls(DiskCall::kSyncData) == syncs + 2);
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: a sync counts only for what was written before it began") {
  DiskStory disk;
  disk.story.options_.settings.fsync = FsyncPolicy::kNever;
  DiskGate gate(disk.fs);
  Journal& journal = disk.story.start_logging();
  gate.close();
  disk.story.write("a", "1", Level::kDisk);
  gate.wait_until_reached();
  disk.story.write("b", "2", Level::kOs);
  CHECK(disk.outcome(0).ok());
  CHECK(disk.story.outcomes_.all()[0].first == 2);  // Answered while the sync still runs.
  gate.open();
  CHECK(disk.outcome(1).ok());
  CHECK(journal.durable() == 1);
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: under INTERVAL new writes wait while a sync is late, and go on after it") {
  DiskStory disk;
  ManualClock clock;
  disk.story.clock_ = &clock;
  disk.story.options_.settings.fsync = FsyncPolicy::kInterval;
  disk.story.options_.settings.fsync_interval = std::chrono::milliseconds(1);
  DiskGate gate(disk.fs);
  Journal& journal = disk.story.start_logging();
  gate.close();
  disk.story.write("a", "1");
  gate.wait_until_reached();
  clock.advance(std::chrono::seconds(5));
  std::size_t asked = 1;
  for (; disk.story.outcomes_.count() == asked || asked == 1; ++asked) {
    disk.story.outcomes_.wait_for(asked);
    disk.story.write("b", "2", Level::kMemory);  // Answers at once, unless its admission has to wait.
    std::this_thread::yield();
  }
  gate.open();
  disk.story.outcomes_.wait_for(asked);
  for (const auto& [revision, status] : disk.story.outcomes_.all()) CHECK(status.ok());
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: under INTERVAL the next sync is due by the oldest byte, not by when the last sync ended") {
  constexpr std::chrono::seconds kInterval{3};
  DiskStory disk;
  ManualClock clock;
  disk.story.clock_ = &clock;
  disk.story.options_.settings.fsync = FsyncPolicy::kInterval;
  disk.story.options_.settings.fsync_interval = kInterval;
  DiskGate gate(disk.fs);
  Journal& journal = disk.story.start_logging();
  gate.close();
  disk.story.write("a", "1", Level::kOs);
  gate.wait_until_reached();
  disk.story.write("b", "2", Level::kOs);  // Too late for the sync that is under way.
  disk.story.outcomes_.wait_for(2);
  clock.advance(kInterval);
  // The sync has taken as long as the interval, so its successor is due at once. Nobody asks for it; it is waited for
  // in real time, as the journal's timers do.
  const auto begun = std::chrono::steady_clock::now();
  gate.open();
  while (journal.durable() < 2 && std::chrono::steady_clock::now() - begun < 2 * kInterval) std::this_thread::yield();
  CHECK(journal.durable() == 2);
  CHECK(std::chrono::steady_clock::now() - begun < kInterval * 2 / 3);
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: of the segments that were filled during a sync the next one leaves none out") {
  constexpr std::size_t kFirst = 2, kLarge = 9;  // two to a segment
  DiskStory disk;
  disk.story.options_.settings.fsync = FsyncPolicy::kNever;
  std::promise<void> reached, go_on;
  const std::shared_future<void> gone_on = go_on.get_future().share();
  std::atomic<bool> held{false}, told{false};
  std::unique_ptr<FaultyFileSystem> left;
  Revision promised = 0;
  Journal* running = nullptr;
  disk.fs.on_call([&](DiskCall call, const std::string&) {
    if (!held) return;
    if (call == DiskCall::kSyncData && !told.exchange(true)) {
      reached.set_value();
      gone_on.wait();
    }
    // The power is lost before those are cut to size, and synced with that.
    if (call == DiskCall::kTruncate && left == nullptr && running->durable() > kFirst) {
      promised = running->durable();
      left = disk.fs.after_crash({});
    }
  });
  Journal& journal = disk.story.start_logging();
  running = &journal;
  held = true;
  const std::string value(400'000, 'v');
  for (std::size_t i = 0; i < kLarge; ++i) {
    disk.story.write("k" + std::to_string(i), value);
    CHECK(disk.outcome(i).ok());
  }
  const bool held_back = reached.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready;
  go_on.set_value();
  REQUIRE(held_back);
  disk.story.write("last", "v", Level::kDisk);
  CHECK(disk.outcome(kLarge).ok());
  CHECK(journal.stop().ok());
  REQUIRE(left != nullptr);
  std::size_t found = 0;
  const auto replay =
      replay_log(*left, "/aof", disk.story.options_.store_id, disk.story.keeper_.named(), [&](const LogRecord&) {
        ++found;
        return absl::OkStatus();
      });
  CHECK(replay.ok());
  CHECK(promised > 2 * kFirst);
  CHECK(found >= promised);
}

TEST_CASE("journal: what the sync of a full segment made durable stands in the log soon, though nothing is written") {
  DiskStory disk;
  disk.story.options_.settings.fsync = FsyncPolicy::kNever;
  disk.story.options_.idle_after = std::chrono::milliseconds(1);
  DiskGate gate(disk.fs);
  Journal& journal = disk.story.start_logging();
  gate.close();
  const std::string value(400'000, 'v');
  for (std::size_t i = 0; i < 3; ++i) {
    disk.story.write("k" + std::to_string(i), value);
    CHECK(disk.outcome(i).ok());
  }
  gate.wait_until_reached();  // The first segment is full, and the strand has nothing to write any more.
  const std::uint64_t before = journal.figures().log_bytes;
  gate.open();
  const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (journal.figures().log_bytes == before && std::chrono::steady_clock::now() < bound) std::this_thread::yield();
  CHECK(journal.durable() == 2);
  CHECK(journal.figures().log_bytes == before + kBatchHeaderBytes);
  CHECK(journal.stop().ok());
}

// Nobody asks for a sync here: it comes by the interval alone, in real time, or not at all.
bool durable_reaches(const Journal& journal, Revision revision) {
  const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (journal.durable() < revision && std::chrono::steady_clock::now() < bound) std::this_thread::yield();
  return journal.durable() >= revision;
}

TEST_CASE("journal: an interval that becomes shorter counts at once, whatever timer the old one has set") {
  const bool by_way_of_always = GENERATE(false, true);
  DiskStory disk;
  LogSettings settings{
      .segment_bytes = 1 << 20, .fsync = FsyncPolicy::kInterval, .fsync_interval = std::chrono::hours(1)};
  disk.story.options_.settings = settings;
  Journal& journal = disk.story.start_logging();
  disk.story.write("a", "1", Level::kOs);
  CHECK(disk.outcome(0).ok());
  if (by_way_of_always) {
    settings.fsync = FsyncPolicy::kAlways;
    journal.set_settings(settings);
    settings.fsync = FsyncPolicy::kInterval;
  }
  settings.fsync_interval = std::chrono::milliseconds(1);
  journal.set_settings(settings);
  CHECK(durable_reaches(journal, 1));
  disk.story.write("b", "2", Level::kOs);
  CHECK(disk.outcome(1).ok());
  CHECK(durable_reaches(journal, 2));
  CHECK(journal.stop().ok());
}

}  // namespace kv
