// A journal in a directory of its own, with verbs: what a story about writes needs.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "core/task.h"
#include "persistence/journal.h"
#include "persistence/log_replay.h"
#include "tests/support/temp_directory.h"
#include "tests/support/thread_scheduler.h"

namespace kv {

// Remembers what it was told, and can be told to refuse.
class RecordingKeeper final : public LogKeeper {
 public:
  absl::Status segments_prepared(std::uint64_t first, std::uint64_t last) override {
    std::lock_guard lock(mutex_);
    if (!answer_.ok()) return answer_;
    for (std::uint64_t number = first; number <= last; ++number) named_.push_back(number);
    return absl::OkStatus();
  }
  absl::StatusOr<Revision> raise_ceiling(Revision needed) override {
    std::lock_guard lock(mutex_);
    if (!answer_.ok()) return answer_;
    ++raises_;
    return needed + ceiling_step;
  }
  std::vector<NamedSegment> named() {
    std::lock_guard lock(mutex_);
    std::vector<NamedSegment> segments;
    for (const std::uint64_t number : named_) segments.push_back({number, std::nullopt});
    return segments;
  }
  int raises() {
    std::lock_guard lock(mutex_);
    return raises_;
  }
  void set_answer(absl::Status status) {
    std::lock_guard lock(mutex_);
    answer_ = std::move(status);
  }
  Revision ceiling_step = 1000;

 private:
  std::mutex mutex_;
  absl::Status answer_;
  std::vector<std::uint64_t> named_;
  int raises_ = 0;
};

// What became of some writes.
class Outcomes {
 public:
  void add(Revision revision, absl::Status status) {
    std::lock_guard lock(mutex_);
    done_.emplace_back(revision, std::move(status));
    changed_.notify_all();
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_.size() >= count; });
  }
  // The same where a fault would leave them waiting for ever.
  bool there_within(std::chrono::milliseconds bound, std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, bound, [&] { return done_.size() >= count; });
  }
  std::vector<std::pair<Revision, absl::Status>> all() {
    std::lock_guard lock(mutex_);
    return done_;
  }
  std::size_t count() {
    std::lock_guard lock(mutex_);
    return done_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<Revision, absl::Status>> done_;
};

// One write, as the engine does it. Level: what the ticket says unless one is given.
inline Detached write_one(Journal& journal, Scheduler& home, std::string key, std::string value, Outcomes& outcomes,
                          std::optional<Level> level = std::nullopt) {
  const Mutation mutation{.key = key, .value = value};
  absl::StatusOr<Ticket> ticket = co_await journal.admit(record_bytes_of({&mutation, 1}, nullptr), home);
  if (!ticket.ok()) {
    outcomes.add(0, ticket.status());
    co_return;
  }
  const Level wanted = level.value_or(ticket->default_level());
  const Revision revision = journal.append(std::move(*ticket), {&mutation, 1});
  absl::Status done = co_await journal.wait_written(revision, wanted, home);
  outcomes.add(revision, std::move(done));
}

// A call of so many records, as a message of a pipeline is.
inline Detached write_many(Journal& journal, Scheduler& home, std::uint32_t records, Outcomes& outcomes) {
  const Mutation mutation{.key = "k", .value = "v"};
  absl::StatusOr<Ticket> ticket =
      co_await journal.admit(records * record_bytes_of({&mutation, 1}, nullptr), home, records);
  if (!ticket.ok()) {
    outcomes.add(0, ticket.status());
    co_return;
  }
  Revision revision = 0;
  const Level level = ticket->default_level();
  for (; records > 0; --records) revision = journal.append(*ticket, {&mutation, 1});
  absl::Status done = co_await journal.wait_written(revision, level, home);
  outcomes.add(revision, std::move(done));
}

inline Detached read_one(Journal& journal, Scheduler& home, Revision revision, Outcomes& outcomes) {
  absl::Status done = co_await journal.wait_readable(revision, home);
  outcomes.add(revision, std::move(done));
}

inline Detached take_ticket(Journal& journal, Scheduler& home, std::size_t bytes, std::optional<Ticket>& out,
                            Outcomes& outcomes) {
  absl::StatusOr<Ticket> ticket = co_await journal.admit(bytes, home);
  if (ticket.ok()) out.emplace(std::move(*ticket));
  outcomes.add(0, ticket.ok() ? absl::OkStatus() : ticket.status());
}

class JournalFixture {
 public:
  explicit JournalFixture(FileSystem& fs = posix_file_system()) : fs_(fs) {
    options_.record_bytes_max = 1 << 20;
    options_.queue_bytes = 4 << 20;
    options_.retry_space_after = std::chrono::milliseconds(10);
    options_.store_id.fill(std::byte{7});
  }

  Journal& start(Revision last_revision = 0, Revision ceiling = 1000) {
    options_.directory = directory_;
    journal_.emplace(fs_, *clock_, keeper_, options_);
    journal_->start(last_revision, ceiling);
    return *journal_;
  }
  Journal& start_logging(Revision last_revision = 0, LogOpening opening = {}) {
    start(last_revision, last_revision + 1000);
    opened_ = journal_->open_log(opening);
    if (opened_.ok()) journal_->resume();
    return *journal_;
  }
  void write(std::string key, std::string value, std::optional<Level> level = std::nullopt) {
    write_one(*journal_, home_, std::move(key), std::move(value), outcomes_, level);
  }
  // Everything the log holds, replayed as a map; and what the reader said. Once segments were closed, only after a
  // stop: they are truncated in the background, and a reader takes a file that shrinks for damage.
  std::map<std::string, std::string> replayed(std::vector<NamedSegment> segments) {
    std::map<std::string, std::string> data;
    replay_ = replay_log(fs_, directory_, options_.store_id, segments, [&](const LogRecord& record) {
      for (const Mutation& mutation : record.mutations) {
        if (mutation.kind == MutationKind::kSet) {
          data[std::string(mutation.key)] = std::string(mutation.value);
        } else {
          data.erase(std::string(mutation.key));
        }
      }
    });
    return data;
  }
  std::map<std::string, std::string> replayed() { return replayed(keeper_.named()); }

  FileSystem& fs_;
  TempDirectory temporary_;
  std::string directory_ = temporary_.path();
  SystemClock system_clock_;
  Clock* clock_ = &system_clock_;
  RecordingKeeper keeper_;
  JournalOptions options_;
  Outcomes outcomes_;
  absl::Status opened_;
  absl::StatusOr<LogReplay> replay_;
  ThreadScheduler home_;
  std::optional<Journal> journal_;
};

}  // namespace kv
