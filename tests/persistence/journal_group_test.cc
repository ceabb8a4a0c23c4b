// Under ALWAYS a round waits for more calls where many callers are about, and for nothing else.
#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "persistence/group_size.h"
#include "tests/persistence/journal_disk_story.h"

namespace kv {
namespace {

constexpr std::chrono::seconds kBound{20};
constexpr std::chrono::hours kForEver{1};
constexpr std::size_t kFirst = 40, kThen = 8;
constexpr std::size_t kBefore = 1 + kFirst;
constexpr std::size_t kWanted = (kFirst + kThen) - (kFirst + kThen) / 4;

// One write; kFirst while it is written, kThen while those are: the third round wants kWanted records.
struct Group {
  explicit Group(FsyncPolicy policy = FsyncPolicy::kAlways) {
    JournalOptions& options = disk.story.options_;
    options.settings.fsync = policy;
    options.gather_max = kForEver;
    options.on_batch = [this](std::uint32_t records) {
      std::lock_guard lock(mutex);
      batches.push_back(records);
    };
    disk.fs.on_call([this, policy](DiskCall call, const std::string&) {
      if (call != (policy == FsyncPolicy::kAlways ? DiskCall::kSyncData : DiskCall::kWrite) || !begun) return;
      const std::size_t which = rounds++;
      if (which == 0) write(kFirst);
      if (which == 1) write(kThen, then);
    });
  }
  void begin() {
    journal = &disk.story.start_logging();
    begun = true;
    write(1);
  }
  void write(std::size_t count, const std::string& value = "v") {
    for (; count > 0; --count) disk.story.write("k" + std::to_string(++writes), value, Level::kOs);
  }
  // The third round waits: what came before it is there, and nothing else comes.
  void wait_for_it() {
    REQUIRE(disk.story.outcomes_.there_within(kBound, kBefore));
    CHECK_FALSE(disk.story.outcomes_.there_within(std::chrono::milliseconds(50), kBefore + 1));
  }
  bool all_there(std::size_t more = 0) { return disk.story.outcomes_.there_within(kBound, kBefore + kThen + more); }
  std::vector<std::uint32_t> written() {
    std::lock_guard lock(mutex);
    return batches;
  }

  std::string then = "v";
  std::atomic<bool> begun{false};
  std::atomic<std::size_t> rounds{0};
  std::atomic<std::size_t> writes{0};
  std::mutex mutex;
  std::vector<std::uint32_t> batches;
  Journal* journal = nullptr;
  DiskStory disk;  // last: its threads use the rest
};

}  // namespace

TEST_CASE("journal: where many callers are about, a round waits until a sync is worth its price") {
  Group group;
  group.begin();
  group.wait_for_it();
  group.write(kWanted - kThen - 1);
  CHECK_FALSE(group.disk.story.outcomes_.there_within(std::chrono::milliseconds(50), kBefore + 1));
  group.write(1);
  CHECK(group.all_there(kWanted - kThen));
  CHECK(group.written() == std::vector<std::uint32_t>{1, kFirst, kWanted});
  CHECK(group.journal->stop().ok());
}

TEST_CASE("journal: a round waits no longer than it may, whoever comes") {
  Group group;
  group.disk.story.options_.gather_max = std::chrono::milliseconds(1);
  group.begin();
  CHECK(group.all_there());
  CHECK(group.journal->stop().ok());
}

TEST_CASE("journal: many bytes are worth a sync, however few records they are") {
  Group group;
  group.then.assign(GroupSize::kBytesMax / kThen, 'v');
  group.begin();
  CHECK(group.all_there());
  CHECK(group.journal->stop().ok());
}

TEST_CASE("journal: a log that does not sync each round waits for nobody") {
  Group group(FsyncPolicy::kNever);
  group.begin();
  CHECK(group.all_there());
  CHECK(group.journal->stop().ok());
}

TEST_CASE("journal: the records of one call are no crowd: nobody else is waited for") {
  DiskStory disk;
  disk.story.options_.gather_max = kForEver;
  std::atomic<int> rounds{-1};
  const auto messages = [&](std::size_t count) {
    for (; count > 0; --count) write_many(*disk.story.journal_, disk.story.home_, kFirst, disk.story.outcomes_);
  };
  disk.fs.on_call([&](DiskCall call, const std::string&) {
    if (call == DiskCall::kSyncData && rounds >= 0 && ++rounds <= 2) messages(2);
  });
  Journal& journal = disk.story.start_logging();
  rounds = 0;
  messages(1);
  CHECK(disk.story.outcomes_.there_within(kBound, 5));
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: a round that waits for more holds up no pause, and no end") {
  Group group;
  group.begin();
  group.wait_for_it();
  if (GENERATE(true, false)) {
    std::future<absl::Status> pause = std::async(std::launch::async, [&] { return group.journal->pause(); });
    const bool paused = pause.wait_for(kBound) == std::future_status::ready;
    CHECK(paused);
    if (!paused) group.write(1);  // Waits for the pause, and ends what the pause waits for.
    CHECK(group.all_there());
    group.journal->resume();
    CHECK(group.journal->stop().ok());
  }
}

TEST_CASE("journal: a write that waits for room in the queue ends a round that waits for more") {
  Group group;
  group.disk.story.options_.record_bytes_max = 4096;
  group.disk.story.options_.queue_bytes = 8192;
  group.begin();
  group.wait_for_it();
  group.write(10, std::string(1000, 'v'));
  CHECK(group.all_there(10));
  CHECK(group.journal->stop().ok());
}

}  // namespace kv
