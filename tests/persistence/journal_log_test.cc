#include <atomic>

#include <catch2/catch.hpp>

#include "tests/persistence/journal_fixture.h"

namespace kv {

TEST_CASE("journal: segments are named when who syncs their directory says so, and not by a sync of its own") {
  JournalFixture f;
  std::atomic<int> asked{0};
  f.options_.sync_directory = [&] {
    ++asked;
    return absl::UnavailableError("somebody's sync has failed");
  };
  Journal& journal = f.start_logging();
  CHECK_FALSE(f.opened_.ok());
  CHECK(asked == 1);
  CHECK(f.keeper_.named().empty());
  CHECK_FALSE(journal.failure().ok());
}

TEST_CASE("journal: what was answered under ALWAYS is in the log, whole and in order") {
  JournalFixture story;
  Journal& journal = story.start_logging();
  REQUIRE(story.opened_.ok());
  CHECK(journal.default_level() == Level::kDisk);
  for (int i = 0; i < 100; ++i) story.write("key" + std::to_string(i), "value" + std::to_string(i));
  story.outcomes_.wait_for(100);
  for (const auto& [revision, status] : story.outcomes_.all()) {
    CHECK(status.ok());
    CHECK(revision <= journal.durable());
  }
  // Without a stop, as after a kill.
  auto data = story.replayed();
  REQUIRE(story.replay_.ok());
  CHECK(data.size() == 100);
  CHECK(data["key7"] == "value7");
  CHECK(story.replay_->last_revision == 100);
  CHECK(story.replay_->discarded_bytes == 0);
  CHECK_FALSE(story.replay_->sealed);

  const auto closing = journal.stop();
  REQUIRE(closing.ok());
  CHECK(closing->end.last_revision == 100);
  auto segments = std::vector<NamedSegment>{{closing->end.number, closing->end.used}};
  CHECK(story.replayed(segments) == data);
  REQUIRE(story.replay_.ok());
  CHECK(story.replay_->sealed);
  CHECK(story.replay_->segments.back().end == closing->end);
}

TEST_CASE("journal: the log rotates, each header seals its predecessor, and closed segments are cut to size") {
  JournalFixture story;
  story.options_.settings.segment_bytes = 1 << 20;
  Journal& journal = story.start_logging();
  REQUIRE(story.opened_.ok());
  const std::string value(100'000, 'v');
  constexpr int kWrites = 60;
  for (int i = 0; i < kWrites; ++i) {
    story.write("k" + std::to_string(i), value);
    if (i % 7 == 0) story.outcomes_.wait_for(static_cast<std::size_t>(i) + 1);
  }
  story.outcomes_.wait_for(kWrites);
  const auto closing = journal.stop();
  REQUIRE(closing.ok());
  CHECK(story.replayed().size() == kWrites);
  REQUIRE(story.replay_.ok());
  CHECK(story.replay_->segments.size() >= 6);
  const auto closed = journal.closed_segments();
  CHECK(closed.size() == story.replay_->segments.size() - 1);
  for (const ClosedSegment& segment : closed) {
    const auto path = story.directory_ + "/" + segment_name(segment.number);
    CHECK(std::filesystem::file_size(path) == segment.bytes);
    CHECK(segment.bytes <= 1 << 20);
  }
  CHECK(closing->unused_last >= closing->unused_first);
  CHECK(closing->next_number > closing->unused_last);
}

TEST_CASE("journal: records larger than a segment get one for themselves") {
  JournalFixture story;
  story.options_.record_bytes_max = 4 << 20;
  story.options_.queue_bytes = 16 << 20;
  story.options_.settings.segment_bytes = 1 << 20;
  Journal& journal = story.start_logging();
  REQUIRE(story.opened_.ok());
  const std::string value(3 << 20, 'v');
  for (int i = 0; i < 6; ++i) {
    story.write("big" + std::to_string(i), value);
    story.write("small" + std::to_string(i), "v");
  }
  story.outcomes_.wait_for(12);
  for (const auto& [revision, status] : story.outcomes_.all()) CHECK(status.ok());
  CHECK(journal.stop().ok());
  CHECK(story.replayed().size() == 12);
  CHECK(story.replay_.ok());
}

TEST_CASE("journal: where segments have become smaller, a record that needs more than are prepared gets more of them") {
  JournalFixture story;
  story.options_.record_bytes_max = 4 << 20;
  story.options_.queue_bytes = 16 << 20;
  story.options_.settings.segment_bytes = 4 << 20;
  Journal& journal = story.start_logging();
  REQUIRE(story.opened_.ok());
  LogSettings smaller = story.options_.settings;
  smaller.segment_bytes = 1 << 20;
  journal.set_settings(smaller);
  // Past all that are of the old size.
  std::size_t writes = 0;
  while (journal.figures().segments_started < 6) {
    story.write("k", std::string(1 << 19, 'v'));
    story.outcomes_.wait_for(++writes);
  }
  story.write("big", std::string((4 << 20) - 1000, 'v'));
  story.write("small", "v");
  CHECK(story.outcomes_.there_within(std::chrono::seconds(10), writes + 2));
  CHECK(journal.stop().ok());
  for (const auto& [revision, status] : story.outcomes_.all()) CHECK(status.ok());
  CHECK(story.replayed().size() == 3);
}

TEST_CASE("journal: under NEVER a write is answered from the kernel, and DISK forces a sync") {
  JournalFixture story;
  story.options_.settings.fsync = FsyncPolicy::kNever;
  Journal& journal = story.start_logging();
  CHECK(journal.default_level() == Level::kOs);
  story.write("a", "1");
  story.outcomes_.wait_for(1);
  CHECK(journal.watermarks().os == 1);
  CHECK(journal.durable() == 0);
  story.write("b", "2", Level::kDisk);
  story.outcomes_.wait_for(2);
  CHECK(journal.durable() == 2);
  story.write("c", "3", Level::kMemory);
  CHECK(journal.sync_through(3).ok());
  CHECK(journal.durable() == 3);
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: under INTERVAL a written byte becomes durable by itself") {
  JournalFixture story;
  story.options_.settings.fsync = FsyncPolicy::kInterval;
  story.options_.settings.fsync_interval = std::chrono::milliseconds(5);
  Journal& journal = story.start_logging();
  story.write("a", "1");
  read_one(journal, story.home_, 1, story.outcomes_);
  story.outcomes_.wait_for(2);
  CHECK(journal.durable() == 1);
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: many writers share one sync") {
  JournalFixture story;
  Journal& journal = story.start_logging();
  for (std::size_t round = 0; round < 5; ++round) {
    for (int i = 0; i < 200; ++i) story.write("k" + std::to_string(i), "v");
    story.outcomes_.wait_for(200 * (round + 1));
  }
  const JournalFigures figures = journal.figures();
  CHECK(figures.records == 1000);
  CHECK(figures.fsyncs <= figures.batches);
  CHECK(figures.fsyncs < 500);
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: after a while without writes the durable watermark stands in the log") {
  JournalFixture story;
  story.options_.idle_after = std::chrono::milliseconds(1);
  Journal& journal = story.start_logging();
  story.write("a", "1");
  story.outcomes_.wait_for(1);
  // The only thing that makes the log grow now is the header-only batch.
  const std::uint64_t before = kSegmentHeaderBytes + align_batch(kBatchHeaderBytes + record_bytes_of(12 + 2, false));
  while (journal.figures().log_bytes == before) std::this_thread::yield();
  CHECK(journal.figures().log_bytes == before + kBatchHeaderBytes);
  story.replayed();
  REQUIRE(story.replay_.ok());
  CHECK(story.replay_->watermark == 1);
  CHECK(story.replay_->last_revision == 1);
  CHECK(journal.stop().ok());
}

// Whatever timer an earlier write has set, and whether it still rings or was cancelled.
bool watermark_reaches(JournalFixture& story, Revision revision, const std::vector<NamedSegment>& segments) {
  const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  do {
    story.replayed(segments);
  } while ((!story.replay_.ok() || story.replay_->watermark < revision) && std::chrono::steady_clock::now() < bound);
  return story.replay_.ok() && story.replay_->watermark == revision;
}

TEST_CASE("journal: the watermark of the last write stands in the log, where others before it put it off") {
  JournalFixture story;
  story.options_.idle_after = std::chrono::milliseconds(200);
  Journal& journal = story.start_logging();
  for (std::size_t i = 0; i < 3; ++i) {
    story.write("a", "1");
    story.outcomes_.wait_for(i + 1);
  }
  CHECK(watermark_reaches(story, 3, story.keeper_.named()));
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: a log that is opened while the watermark of the one before it is due gets its own") {
  JournalFixture story;
  story.options_.idle_after = std::chrono::milliseconds(50);
  Journal& journal = story.start_logging(0, {.first_number = 5, .predecessor = {}});
  story.write("a", "1");
  story.outcomes_.wait_for(1);
  REQUIRE(journal.pause().ok());
  const auto closing = journal.close_log();
  REQUIRE(closing.ok());
  REQUIRE(journal.open_log({.first_number = closing->next_number, .predecessor = closing->end}).ok());
  journal.resume();
  story.write("b", "2");
  story.outcomes_.wait_for(2);
  CHECK(watermark_reaches(story, 2, {{5, closing->end.used}, {closing->next_number, std::nullopt}}));
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: opening, closing and opening the log again, revisions going on") {
  JournalFixture story;
  Journal& journal = story.start(10, 1000);
  journal.resume();
  story.write("memory", "1");
  story.outcomes_.wait_for(1);
  REQUIRE(journal.pause().ok());
  REQUIRE(journal.open_log({.first_number = 5, .predecessor = {}, .promised = false}).ok());
  journal.resume();
  CHECK(journal.default_level() == Level::kMemory);
  std::optional<Ticket> ticket;
  take_ticket(journal, story.home_, 100, ticket, story.outcomes_);
  CHECK(ticket->logging());
  CHECK(has_reason(ticket->check_level(Level::kDisk), Reason::kDurabilityUnavailable));
  ticket.reset();
  journal.set_promised(true);
  CHECK(journal.default_level() == Level::kDisk);
  story.write("logged", "2");
  story.outcomes_.wait_for(3);
  CHECK(journal.durable() == 12);

  REQUIRE(journal.pause().ok());
  const auto closing = journal.close_log();
  REQUIRE(closing.ok());
  CHECK(closing->end.number == 5);
  journal.resume();
  story.write("memory", "3");
  story.outcomes_.wait_for(4);
  CHECK(journal.applied() == 13);

  REQUIRE(journal.pause().ok());
  REQUIRE(journal.open_log({.first_number = closing->next_number, .predecessor = closing->end}).ok());
  journal.resume();
  story.write("logged", "4");
  story.outcomes_.wait_for(5);
  const auto data = story.replayed({{5, closing->end.used}, {closing->next_number, std::nullopt}});
  REQUIRE(story.replay_.ok());
  CHECK(data.at("logged") == "4");
  CHECK(data.count("memory") == 0);
  CHECK(story.replay_->last_revision == 14);
  CHECK(story.replay_->segments.back().base_revision == 13);
  CHECK(journal.stop().ok());
}

TEST_CASE("journal: after a failure writers know nothing, readers wait for nothing, and no write is let in") {
  JournalFixture story;
  story.options_.settings.fsync = FsyncPolicy::kNever;
  std::atomic<int> told{0};
  story.options_.on_failure = [&](const absl::Status&) { ++told; };
  Journal& journal = story.start_logging();
  story.write("a", "1");
  story.outcomes_.wait_for(1);
  journal.fail(errno_status(EIO, "fsync MANIFEST"));
  journal.fail(errno_status(EIO, "again"));
  CHECK(told == 1);
  read_one(journal, story.home_, 1, story.outcomes_);
  story.write("b", "2");
  story.outcomes_.wait_for(3);
  CHECK(has_reason(story.outcomes_.all()[1].second, Reason::kNotDurable));
  CHECK(has_reason(story.outcomes_.all()[2].second, Reason::kWritesSuspended));
  CHECK_FALSE(journal.accepting_writes());
  CHECK_FALSE(journal.failure().ok());
  CHECK_FALSE(journal.stop().ok());
}

}  // namespace kv
