#include <catch2/catch.hpp>

#include "tests/persistence/journal_fixture.h"

namespace kv {
namespace {

// A wait that somebody may end.
class Asker {
 public:
  Asker(Journal& journal, Scheduler& home) : wait(journal.wait_reached(1, Level::kDisk, home)) {}
  void begin() { run(*this); }
  absl::Status answer() {
    answered_.wait_for(1);
    return answered_.all()[0].second;
  }
  bool waits() { return answered_.count() == 0; }

  LevelWait wait;

 private:
  static Detached run(Asker& asker) {
    absl::Status reached = co_await asker.wait;
    asker.answered_.add(0, std::move(reached));
  }
  Outcomes answered_;
};

LogOpening unpromised(std::uint64_t first_number = 1) {
  return {.first_number = first_number, .predecessor = {}, .promised = false};
}

}  // namespace

TEST_CASE("journal: a wait that is left ends at once, and the others go on to their level") {
  JournalFixture story;
  Journal& journal = story.start_logging();
  Asker first(journal, story.home_), left(journal, story.home_), last(journal, story.home_);
  for (Asker* asker : {&first, &left, &last}) asker->begin();
  CHECK(left.waits());
  journal.leave(left.wait);
  CHECK(left.answer().code() == absl::StatusCode::kCancelled);
  CHECK((first.waits() && last.waits()));
  story.write("k", "v");
  CHECK(first.answer().ok());
  CHECK(last.answer().ok());
  journal.leave(first.wait);  // It is answered; nothing happens.
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: a wait that is left before it began never joins") {
  JournalFixture story;
  Journal& journal = story.start_logging();
  Asker asker(journal, story.home_);
  journal.leave(asker.wait);
  asker.begin();
  CHECK(asker.answer().code() == absl::StatusCode::kCancelled);
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: a level is promised only by a log that counts") {
  JournalFixture story;
  Journal& journal = story.start();
  CHECK(journal.check_level(Level::kMemory).ok());
  CHECK(has_reason(journal.check_level(Level::kOs), Reason::kDurabilityUnavailable));
  REQUIRE(journal.open_log(unpromised()).ok());
  CHECK(has_reason(journal.check_level(Level::kDisk), Reason::kDurabilityUnavailable));
  journal.set_promised(true);
  CHECK(journal.check_level(Level::kDisk).ok());
  journal.resume();
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: a log that is not promised moves no watermark, and leaves none behind when it is dropped") {
  JournalFixture story;
  Journal& journal = story.start(41);
  auto write_and_look = [&, written = std::size_t{0}]() mutable {
    story.write("k", "v", Level::kDisk);
    story.outcomes_.wait_for(++written);
    return journal.watermarks();
  };
  journal.resume();
  write_and_look();  // Without a log: revision 42 is in memory alone.
  REQUIRE(journal.pause().ok());
  REQUIRE(journal.open_log(unpromised()).ok());
  journal.resume();
  Watermarks marks = write_and_look();
  CHECK(marks.applied == 43);
  CHECK((marks.os == 41 && marks.durable == 41));

  REQUIRE(journal.pause().ok());
  const auto closing = journal.close_log();
  REQUIRE(closing.ok());
  journal.resume();
  marks = journal.watermarks();
  CHECK((marks.os == 41 && marks.durable == 41));

  REQUIRE(journal.pause().ok());
  REQUIRE(journal.open_log(unpromised(closing->next_number)).ok());
  journal.resume();
  CHECK(write_and_look().durable == 41);
  journal.set_promised(true);
  CHECK(journal.watermarks().durable == 44);
  CHECK(journal.stop().ok());
}

}  // namespace kv
