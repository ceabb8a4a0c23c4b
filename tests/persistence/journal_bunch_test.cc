// When what a poller appends comes to the strand: with its bunch of events, and not record by record.
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <list>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "core/poll_loop.h"
#include "tests/persistence/journal_disk_story.h"
#include "tests/support/disk_gate.h"
#include "tests/support/scripted_queue.h"

namespace kv {
namespace {

constexpr std::chrono::seconds kBound{20};

// Runs its events as a poller does, on the thread that says so.
struct Poller {
  void event(std::function<void()> work) { queue.events.push_back(&steps.emplace_back(notes, 'e', std::move(work))); }
  // No event is there for a moment.
  void silence() { queue.events.push_back(nullptr); }
  void run() { PollLoop::run(queue); }

  std::string notes;
  std::list<Step> steps;
  ScriptedQueue queue{notes};
};

}  // namespace

TEST_CASE("journal: what a poller appends while events come is one batch, written when none is there any more") {
  DiskStory disk;
  Journal& journal = disk.story.start_logging();
  Poller poller;
  for (int bunch = 0; bunch < 3; ++bunch) {
    for (int i = 0; i < PollLoop::kEventsMax - 1; ++i) {
      poller.event([&disk, i] {
        disk.story.write("k" + std::to_string(i), "v");
        std::this_thread::yield();  // Else a strand that was woken too early might not show it.
      });
    }
    poller.silence();
    poller.event([&disk, bunch] {
      REQUIRE(disk.story.outcomes_.there_within(kBound, (bunch + 1) * (PollLoop::kEventsMax - 1)));
    });
  }
  poller.run();
  CHECK(journal.figures().batches == 3);
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: however many events come, what a poller has appended waits for no more than a bunch of them") {
  DiskStory disk;
  Journal& journal = disk.story.start_logging();
  Poller poller;
  poller.event([&] { disk.story.write("a", "1"); });
  for (int i = 0; i < PollLoop::kEventsMax; ++i) poller.event([] {});
  poller.event([&] { CHECK(disk.story.outcomes_.there_within(kBound, 1)); });
  poller.run();
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: a bunch that ends during a round is the next one, though nobody appends after it") {
  DiskStory disk;
  DiskGate gate(disk.fs);
  Journal& journal = disk.story.start_logging();
  gate.close();
  disk.story.write("before", "1");
  gate.wait_until_reached();
  Poller poller;
  poller.event([&] { disk.story.write("a", "1"); });
  poller.run();
  gate.open();
  CHECK(disk.story.outcomes_.there_within(kBound, 2));
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: a thread that is no poller waits for nobody's bunch, nor does one that waits for the disk") {
  DiskStory disk;
  disk.story.options_.settings.fsync = GENERATE(FsyncPolicy::kAlways, FsyncPolicy::kNever);
  Journal& journal = disk.story.start_logging();
  Poller poller;
  poller.event([&] {
    disk.story.write("a", "1", Level::kOs);
    std::async(std::launch::async, [&] { disk.story.write("b", "2", Level::kOs); }).get();
    CHECK(disk.story.outcomes_.there_within(kBound, 2));
  });
  // Whoever waits for the disk may hold what the poller's next event needs.
  poller.event([&] {
    disk.story.write("c", "3", Level::kOs);
    std::future<absl::Status> synced =
        std::async(std::launch::async, [&] { return journal.sync_through(journal.applied()); });
    CHECK(disk.story.outcomes_.there_within(kBound, 3));
    disk.story.write("d", "4", Level::kOs);
    CHECK(synced.get().ok());
  });
  poller.run();
  CHECK(disk.story.outcomes_.there_within(kBound, 4));
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: a poller that stands still in the middle of its bunch holds up neither another one nor a pause") {
  DiskStory disk;
  Journal& journal = disk.story.start_logging();
  std::promise<void> appended;
  std::promise<void> paused;
  std::thread standing([&] {
    Poller poller;
    poller.event([&] {
      disk.story.write("a", "1");
      appended.set_value();
      paused.get_future().get();  // As behind a lock that the one who pauses holds.
      disk.story.write("d", "4");
    });
    poller.run();
  });
  appended.get_future().get();
  Poller other;
  other.event([&] { read_one(journal, disk.story.home_, 1, disk.story.outcomes_); });
  other.silence();
  other.event([&] {
    CHECK(disk.story.outcomes_.there_within(kBound, 2));  // That, and what it shows.
    disk.story.write("b", "2");
  });
  other.silence();
  other.event([&] {
    CHECK(disk.story.outcomes_.there_within(kBound, 3));
    disk.story.write("c", "3");
  });
  other.run();
  CHECK(disk.story.outcomes_.there_within(kBound, 4));
  std::future<absl::Status> pause = std::async(std::launch::async, [&] { return journal.pause(); });
  CHECK(pause.wait_for(kBound) == std::future_status::ready);
  CHECK(journal.durable() == 3);
  journal.resume();
  paused.set_value();
  standing.join();
  CHECK(disk.story.outcomes_.there_within(kBound, 5));
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: a pause hands over what a poller has queued and not yet handed over") {
  DiskStory disk;
  Journal& journal = disk.story.start_logging();
  Poller poller;
  poller.event([&] {
    disk.story.write("a", "1");
    std::future<absl::Status> pause = std::async(std::launch::async, [&] { return journal.pause(); });
    CHECK(pause.wait_for(kBound) == std::future_status::ready);
    CHECK(journal.durable() == 1);
    journal.resume();
  });
  poller.run();
  CHECK(disk.story.outcomes_.there_within(kBound, 1));
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: rounds go on for as long as each finds something that was handed over during the one before") {
  constexpr std::size_t kWrites = 100;
  std::atomic<std::size_t> writes{0};
  DiskStory disk;
  disk.fs.on_call([&](DiskCall call, const std::string&) {
    if (call == DiskCall::kSyncData && writes > 0 && writes < kWrites) {
      disk.story.write("k" + std::to_string(++writes), "v");
    }
  });
  Journal& journal = disk.story.start_logging();
  writes = 1;
  disk.story.write("k1", "v");
  CHECK(disk.story.outcomes_.there_within(kBound, kWrites));
  CHECK(journal.figures().batches == kWrites);
  CHECK(journal.stop().ok());
}

}  // namespace kv
