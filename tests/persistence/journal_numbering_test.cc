#include <thread>

#include <catch2/catch.hpp>

#include "tests/persistence/journal_fixture.h"

namespace kv {

TEST_CASE("journal: without a log it numbers, promises memory only and writes no file") {
  JournalFixture story;
  Journal& journal = story.start(41);
  journal.resume();
  story.write("k", "v");
  story.outcomes_.wait_for(1);
  CHECK(story.outcomes_.all()[0].first == 42);
  CHECK(story.outcomes_.all()[0].second.ok());
  CHECK(journal.default_level() == Level::kMemory);
  CHECK(std::filesystem::is_empty(story.directory_));

  std::optional<Ticket> ticket;
  take_ticket(journal, story.home_, 100, ticket, story.outcomes_);
  CHECK_FALSE(ticket->logging());
  CHECK(ticket->check_level(Level::kMemory).ok());
  CHECK(has_reason(ticket->check_level(Level::kDisk), Reason::kDurabilityUnavailable));
  ticket.reset();
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: no revision above the ceiling is given away, and writers go on when it is raised") {
  JournalFixture story;
  story.keeper_.ceiling_step = 10;
  story.keeper_.set_answer(errno_status(ENOSPC, "raise"));
  Journal& journal = story.start(0, 20);
  journal.resume();
  for (int i = 0; i < 20; ++i) story.write("k", "v");
  story.outcomes_.wait_for(20);
  CHECK(journal.applied() == 20);
  story.write("k", "v");  // Waits or is refused, depending on whether the keeper has answered yet.
  CHECK(journal.applied() == 20);
  story.keeper_.set_answer(absl::OkStatus());
  story.outcomes_.wait_for(21);
  // Once it is raised there is room again; the loop ends when a write is numbered.
  for (std::size_t done = 21; journal.applied() == 20; ++done) {
    story.write("k", "v");
    story.outcomes_.wait_for(done + 1);
  }
  CHECK(journal.applied() == 21);
  CHECK(story.keeper_.raises() > 0);
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: many threads get every revision exactly once, over many ceilings and pauses") {
  JournalFixture story;
  story.keeper_.ceiling_step = 100;
  Journal& journal = story.start(0, 100);
  journal.resume();
  constexpr int kThreads = 4, kEach = 2000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) story.write("k", "v");
    });
  }
  for (int i = 0; i < 20; ++i) {
    CHECK(journal.pause().ok());
    const Revision quiet = journal.applied();
    std::this_thread::yield();
    CHECK(journal.applied() == quiet);
    journal.resume();
  }
  for (auto& thread : threads) thread.join();
  story.outcomes_.wait_for(kThreads * kEach);
  std::vector<bool> seen(kThreads * kEach + 1);
  for (const auto& [revision, status] : story.outcomes_.all()) {
    REQUIRE(status.ok());
    REQUIRE(revision < seen.size());
    CHECK_FALSE(seen[revision]);
    seen[revision] = true;
  }
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: a pause waits for tickets that are out, and a dropped ticket counts as back") {
  JournalFixture story;
  Journal& journal = story.start();
  journal.resume();
  std::optional<Ticket> ticket;
  take_ticket(journal, story.home_, 100, ticket, story.outcomes_);
  std::atomic<bool> paused{false};
  std::thread pauser([&] {
    CHECK(journal.pause().ok());
    paused = true;
  });
  // The pause has begun once an admission has to wait.
  std::optional<Ticket> other;
  std::size_t asked = 1;
  while (true) {
    take_ticket(journal, story.home_, 100, other, story.outcomes_);
    ++asked;
    if (story.outcomes_.count() < asked) break;
    other.reset();
  }
  CHECK_FALSE(paused);
  ticket.reset();
  pauser.join();
  CHECK(paused);
  journal.resume();
  story.outcomes_.wait_for(asked);
  other.reset();
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: a record above the bound is refused before anything is applied") {
  JournalFixture story;
  Journal& journal = story.start();
  journal.resume();
  std::optional<Ticket> ticket;
  take_ticket(journal, story.home_, story.options_.record_bytes_max + 1, ticket, story.outcomes_);
  story.outcomes_.wait_for(1);
  CHECK(has_reason(story.outcomes_.all()[0].second, Reason::kEntryTooLarge));
  CHECK(journal.applied() == 0);
  CHECK(journal.stop().ok());
}

}  // namespace kv
