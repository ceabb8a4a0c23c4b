// The journal on a disk that fails, fills up, tears and forgets.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include <catch2/catch.hpp>

#include "persistence/segment_writer.h"
#include "tests/persistence/crash_enumeration.h"
#include "tests/persistence/journal_disk_story.h"
#include "tests/support/crash_step.h"
#include "tests/support/disk_gate.h"
#include "tests/support/manual_clock.h"

namespace kv {

TEST_CASE("journal: a failed sync is final: its writer knows nothing, later ones are refused, nothing is written") {
  DiskStory disk;
  Journal& journal = disk.story.start_logging();
  disk.story.write("a", "1");
  CHECK(disk.outcome(0).ok());
  disk.fs.fail({.call = DiskCall::kSyncData, .error_number = EIO});
  disk.story.write("b", "2");
  CHECK(has_reason(disk.outcome(1), Reason::kOutcomeUnknown));
  const std::uint64_t writes = disk.fs.calls(DiskCall::kWrite);
  const std::uint64_t syncs = disk.fs.calls(DiskCall::kSyncData);
  disk.story.write("c", "3");
  CHECK(has_reason(disk.outcome(2), Reason::kWritesSuspended));
  read_one(journal, disk.story.home_, 2, disk.story.outcomes_);
  CHECK(has_reason(disk.outcome(3), Reason::kNotDurable));
  read_one(journal, disk.story.home_, 1, disk.story.outcomes_);
  CHECK(disk.outcome(4).ok());
  CHECK(journal.durable() == 1);
  CHECK_FALSE(journal.stop().ok());
  CHECK(disk.fs.calls(DiskCall::kWrite) == writes);
  CHECK(disk.fs.calls(DiskCall::kSyncData) == syncs);
}

// The disk tells its error once: to a round of syncs that had a second one beside it, it would tell that all is well.
TEST_CASE("journal: rounds of syncs never overlap, so that none counts what another has found lost") {
  DiskStory disk;
  std::mutex mutex;
  std::condition_variable changed;
  int syncing = 0;
  bool overlapped = false;
  std::atomic<bool> watched{false};
  disk.fs.on_call([&](DiskCall call, const std::string& path) {
    if (!watched || call != DiskCall::kSyncData || !path.ends_with(".aof")) return;
    std::unique_lock lock(mutex);
    if (++syncing > 1) overlapped = true;
    changed.notify_all();
    // As long as it takes another round to come, which is asked for meanwhile: that none comes announces nothing.
    changed.wait_for(lock, std::chrono::milliseconds(300), [&] { return overlapped; });
  });
  Journal& journal = disk.story.start_logging();
  watched = true;
  disk.fs.fail({.call = DiskCall::kSyncData, .error_number = EIO});
  disk.story.write("a", "1");
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return syncing > 0; });
  }
  CHECK_FALSE(journal.sync_through(1).ok());
  CHECK(has_reason(disk.outcome(0), Reason::kOutcomeUnknown));
  CHECK_FALSE(overlapped);
  CHECK(journal.durable() == 0);
  CHECK_FALSE(journal.stop().ok());
}

TEST_CASE("journal: a write error that is not about space counts as a failed sync") {
  DiskStory disk;
  Journal& journal = disk.story.start_logging();
  disk.fs.fail({.call = DiskCall::kWrite, .path_part = ".aof", .error_number = EIO});
  disk.story.write("a", "1");
  CHECK(has_reason(disk.outcome(0), Reason::kOutcomeUnknown));
  CHECK_FALSE(journal.accepting_writes());
  CHECK_FALSE(journal.stop().ok());
}

TEST_CASE("journal: a write without space is repeated in place, new ones are refused meanwhile, and all of it heals") {
  DiskStory disk;
  Journal& journal = disk.story.start_logging();
  disk.fs.fail({.call = DiskCall::kWrite, .path_part = ".aof", .error_number = ENOSPC, .from_then_on = true});
  disk.story.write("a", "1");
  while (journal.accepting_writes()) std::this_thread::yield();
  disk.story.write("b", "2");
  CHECK(has_reason(disk.outcome(0), Reason::kWritesSuspended));
  disk.fs.heal();
  CHECK(disk.outcome(1).ok());
  while (!journal.accepting_writes()) std::this_thread::yield();
  disk.story.write("c", "3");
  CHECK(disk.outcome(2).ok());
  CHECK(disk.story.replayed() == std::map<std::string, std::string>{{"a", "1"}, {"c", "3"}});
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: short and interrupted writes are finished, and the log is whole") {
  DiskStory disk;
  Journal& journal = disk.story.start_logging();
  for (const int error_number : {0, EINTR, 0, EAGAIN, EDQUOT}) {
    disk.fs.fail({.call = DiskCall::kWrite, .path_part = ".aof", .error_number = error_number, .bytes_max = 7});
  }
  std::size_t written = 0;
  for (std::size_t tried = 0; written < 20 && journal.failure().ok(); ++tried) {
    disk.story.write("key" + std::to_string(written), "value");
    if (disk.outcome(tried).ok()) ++written;  // Else it met a moment of refusal.
  }
  CHECK(disk.fs.faults_delivered() == 5);
  CHECK(disk.story.replayed().size() == 20);
  CHECK(disk.story.replay_->last_revision == 20);
  CHECK(journal.stop().ok());
}

// Writes until one is refused, lets the disk `recover`, and writes until one is accepted. What was accepted is all
// there.
void refused_until(DiskStory& disk, Journal& journal, const std::function<void()>& recover) {
  const std::string value(200'000, 'v');
  std::size_t tried = 0, accepted = 0;
  const auto write_one = [&] {
    disk.story.write("k" + std::to_string(accepted), value);
    return disk.outcome(tried++);
  };
  absl::Status done = write_one();
  for (; done.ok(); done = write_one()) ++accepted;
  CHECK(has_reason(done, Reason::kWritesSuspended));
  CHECK(accepted > 0);
  CHECK(journal.applied() == accepted);
  REQUIRE(journal.failure().ok());
  recover();
  while (!write_one().ok()) {
  }
  CHECK(journal.stop().ok());
  CHECK(disk.story.replayed().size() == accepted + 1);
}

TEST_CASE("journal: with no space to prepare segments writes are refused before they are applied, and come back") {
  DiskStory disk;
  Journal& journal = disk.story.start_logging();
  REQUIRE(disk.story.opened_.ok());
  disk.fs.limit_capacity(5 << 20);
  refused_until(disk, journal, [&] { disk.fs.limit_capacity(1 << 30); });
}

TEST_CASE("journal: space for one segment is enough to open with, and the others come when there is more") {
  DiskStory disk;
  disk.fs.fail(
      {.call = DiskCall::kAllocate, .path_part = ".aof", .after = 1, .error_number = ENOSPC, .from_then_on = true});
  Journal& journal = disk.story.start_logging();
  REQUIRE(disk.story.opened_.ok());
  refused_until(disk, journal, [&] { disk.fs.heal(); });
}

TEST_CASE("journal: too many open files are no failure of the disk: writes come back when a segment can be opened") {
  for (const int error_number : {EMFILE, ENFILE}) {
    DiskStory disk;
    Journal& journal = disk.story.start_logging();
    REQUIRE(disk.story.opened_.ok());
    disk.fs.fail({.call = DiskCall::kCreate, .path_part = ".aof", .error_number = error_number, .from_then_on = true});
    refused_until(disk, journal, [&] { disk.fs.heal(); });
  }
}

// Writes until the supply has met the fault in the log's directory.
void meet_directory_fault(DiskStory& disk, int error_number) {
  disk.fs.fail({.call = DiskCall::kSyncDirectory, .path_part = "aof", .error_number = error_number});
  const std::string value(200'000, 'v');
  std::size_t tried = 0;
  const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (disk.fs.faults_delivered() == 0 && std::chrono::steady_clock::now() < bound) {
    disk.story.write("k", value);
    (void)disk.outcome(tried++);
  }
  REQUIRE(disk.fs.faults_delivered() == 1);
}

TEST_CASE("journal: a directory whose sync failed for want of space is a failed disk: the second answer is no better") {
  const int error_number = GENERATE(ENOSPC, EDQUOT, EAGAIN);
  DiskStory disk;
  Journal& journal = disk.story.start_logging();
  REQUIRE(disk.story.opened_.ok());
  meet_directory_fault(disk, error_number);
  const std::size_t named = disk.story.keeper_.named().size();
  const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (journal.failure().ok() && std::chrono::steady_clock::now() < bound) std::this_thread::yield();
  CHECK_FALSE(journal.failure().ok());
  CHECK_FALSE(journal.stop().ok());
  CHECK(disk.story.keeper_.named().size() == named);
}

TEST_CASE("journal: a directory that could not be opened for its sync is asked again, since nothing was asked yet") {
  DiskStory disk;
  Journal& journal = disk.story.start_logging();
  REQUIRE(disk.story.opened_.ok());
  const std::size_t named = disk.story.keeper_.named().size();
  meet_directory_fault(disk, EMFILE);
  const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (disk.story.keeper_.named().size() == named && std::chrono::steady_clock::now() < bound) {
    std::this_thread::yield();
  }
  CHECK(disk.story.keeper_.named().size() > named);
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: a log whose first sync failed for want of space says that this is final") {
  const int error_number = GENERATE(ENOSPC, EDQUOT, EAGAIN);
  DiskStory disk;
  disk.fs.fail({.call = DiskCall::kSyncData, .path_part = ".aof", .error_number = error_number});
  Journal& journal = disk.story.start_logging();
  CHECK(errno_of(disk.story.opened_) == error_number);
  CHECK_FALSE(may_heal(disk.story.opened_));
  CHECK(journal.stop().ok());
}

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
  reached.get_future().wait();
  go_on.set_value();
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

TEST_CASE("journal: power lost at any call, whatever survives: all acknowledged writes are there, nothing is corrupt") {
  const CrashCounts counts = cut_journal({.step = crash_step(3)});
  CHECK(counts.cuts > 0);
  CHECK(counts.losses.left >= counts.cuts);
}

}  // namespace kv
