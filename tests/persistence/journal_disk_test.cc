// The journal on a disk that fails, fills up, tears and forgets.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include <catch2/catch.hpp>

#include "persistence/segment_writer.h"
#include "tests/persistence/crash_enumeration.h"
#include "tests/persistence/journal_disk_story.h"
#include "tests/support/crash_step.h"

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

TEST_CASE("journal: power lost at any call, whatever survives: all acknowledged writes are there, nothing is corrupt") {
  const CrashCounts counts = cut_journal({.step = crash_step(3)});
  CHECK(counts.cuts > 0);
  CHECK(counts.losses.left >= counts.cuts);
}

}  // namespace kv
