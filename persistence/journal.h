// Numbers the changes, appends them to the log in that order, and tells each caller when its own has reached the level
// it asked for. The engine sees only the first half of Journal; in a distributed mode a Raft log would stand here. The
// second half is for Storage, which decides when there is a log.
//
// Hard part: append() runs under the shard locks of whatever it appends and must not fail, block on the disk or
// allocate; so everything that can go wrong happens before, in admit(), which reserves queue room, log space and a
// place below the revision ceiling. A Ticket is that reservation.
//
// Threads:  admit(), append(), the waits and the figures from any thread; everything that touches files runs on the
//           strand or on the journal's own helper threads. Waiters are resumed on the scheduler they gave.
// Order:    revisions are assigned inside append()'s own short critical section; records reach the file in that order.
// Errors:   a failed write for want of space is repeated in place and heals; any other failed write and every failed
//           sync is final: waiters get OUTCOME_UNKNOWN, every later admit() answers WRITES_SUSPENDED, a reader's wait
//           above the watermark answers NOT_DURABLE at once.
// Lifetime: outlives every ticket and waiter, and the loops of the pollers that append (core/poll_loop.h).
// Source:   docs/durability.md (group commit, watermarks), docs/formats/aof.md (the file).
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/clock.h"
#include "core/completion.h"
#include "core/file_system.h"
#include "core/wait_time.h"
#include "persistence/log_position.h"
#include "persistence/log_record.h"
#include "persistence/settings.h"
#include "store/types.h"

namespace kv {

// applied >= os >= durable, each only ever raised. Without a log only `applied` moves.
struct Watermarks {
  Revision applied = 0;
  Revision os = 0;
  Revision durable = 0;
};

class Journal;
class JournalCore;

// The right to append one record of at most the admitted size, or so many records of that size together. While any
// ticket is held the journal cannot change between logging and not logging. Dropped, it gives back what was not used.
// Hold it briefly, and never over a wait for something that needs another ticket.
class Ticket {
 public:
  Ticket(Ticket&& other) noexcept;
  Ticket& operator=(Ticket&& other) noexcept;
  ~Ticket();

  // False: there is no log, append() only numbers.
  bool logging() const noexcept { return logging_; }
  // What a write of the current mode and policy waits for when it asks for nothing. In a switch this is the old mode's.
  Level default_level() const noexcept { return default_level_; }
  // Whether an explicit level can be promised now; else DURABILITY_UNAVAILABLE, and nothing has been applied.
  absl::Status check_level(Level level) const;
  // Whether a record of these mutations, with a request block or without, is no larger than what is left of what was
  // admitted.
  bool holds(std::span<const Mutation> mutations, bool request = false) const noexcept;

 private:
  friend class Admission;
  friend class JournalCore;
  Ticket() noexcept = default;
  JournalCore* journal_ = nullptr;
  std::uint32_t record_bytes_ = 0;
  std::uint32_t space_bytes_ = 0;
  std::uint32_t records_ = 0;  // that may still be appended
  bool queued_ = false;        // one of them already
  bool logging_ = false;
  bool log_promised_ = false;
  Level default_level_ = Level::kMemory;
};

// co_await gives absl::StatusOr<Ticket>. Ready at once in the common case; else waits in turn and resumes on `home`.
// Errors: WRITES_SUSPENDED, SHUTTING_DOWN; then nothing is reserved and nothing was applied.
class [[nodiscard]] Admission final : public Completion {
 public:
  bool await_ready() noexcept;
  bool await_suspend(std::coroutine_handle<> waiter) noexcept;
  absl::StatusOr<Ticket> await_resume();
  void complete(bool ok) noexcept override;
  // Once it has resumed: how long it made the coroutine wait. 0: it was ready at once.
  std::chrono::nanoseconds waited() const noexcept { return waited_.time(); }

 private:
  friend class Journal;
  friend class JournalCore;
  Admission(JournalCore& journal, std::uint32_t record_bytes, std::uint32_t records, Scheduler& home) noexcept;

  JournalCore& journal_;
  Scheduler& home_;
  const std::uint32_t record_bytes_;
  const std::uint32_t records_;
  Ticket ticket_;
  absl::Status refused_;
  std::coroutine_handle<> waiter_;
  WaitTime waited_;
};

// co_await gives absl::Status. Ready at once when the watermark has passed; else resumes on `home`.
class [[nodiscard]] LevelWait final : public Completion {
 public:
  enum class Who : std::uint8_t { kWriter, kReader };

  bool await_ready() noexcept;
  bool await_suspend(std::coroutine_handle<> waiter) noexcept;
  absl::Status await_resume() noexcept {
    waited_.end();
    return std::move(result_);
  }
  void complete(bool ok) noexcept override;
  // As Admission::waited().
  std::chrono::nanoseconds waited() const noexcept { return waited_.time(); }

 private:
  friend class Journal;
  friend class JournalCore;
  friend class LevelWaiters;
  LevelWait(JournalCore& journal, Revision revision, Level level, Who who, Scheduler& home) noexcept
      : journal_(journal), home_(home), revision_(revision), level_(level), who_(who) {}

  JournalCore& journal_;
  Scheduler& home_;
  const Revision revision_;
  const Level level_;
  const Who who_;
  bool leaving_ = false;  // guarded by the list of those who wait
  absl::Status result_;
  std::coroutine_handle<> waiter_;
  WaitTime waited_;
};

// What the journal asks of its owner. Called from the journal's supply thread, one call at a time; the owner must not
// hold, while it calls into the control half of Journal, a lock that these take.
class LogKeeper {
 public:
  // Segments first..last exist, are preallocated, and their names are synced. Name them in MANIFEST, durably; after OK
  // the journal may write into them. Out of space is retried every second; any other error is final for the journal.
  virtual absl::Status segments_prepared(std::uint64_t first, std::uint64_t last) = 0;
  // Records, durably, a ceiling above `needed` and returns it. Same errors.
  virtual absl::StatusOr<Revision> raise_ceiling(Revision needed) = 0;

 protected:
  ~LogKeeper() = default;
};

struct LogSettings {
  std::uint64_t segment_bytes = 10 << 20;  // at least 1 MiB is taken
  FsyncPolicy fsync = FsyncPolicy::kAlways;
  std::chrono::milliseconds fsync_interval{1000};
};

struct JournalOptions {
  std::string directory;  // where the segments lie; exists
  StoreId store_id{};
  LogSettings settings;
  std::uint32_t record_bytes_max = kRecordBytesMax;   // admit() refuses more; every segment is allocated to hold one
  std::uint32_t queue_bytes = 64 << 20;               // twice this is reserved, and touched only as far as it is used
  std::uint32_t batch_bytes = 1 << 20;                // one write carries no more, unless one record alone is larger
  std::chrono::microseconds gather_max{1000};         // under ALWAYS a round waits no longer for more, see GroupSize
  std::chrono::milliseconds idle_after{50};           // then a header-only batch carries the watermark forward
  std::chrono::milliseconds retry_space_after{1000};  // when a disk was full
  // Makes the names of segments durable, and says of what failed whether it is for good; whoever else syncs that
  // directory goes through the same. Empty: the journal alone does it.
  std::function<absl::Status()> sync_directory = {};
  std::function<void(const absl::Status&)> on_failure;    // once, from an internal thread: the final failure
  std::function<void(std::chrono::nanoseconds)> on_sync;  // each fsync of log data, from internal threads
  std::function<void(std::uint32_t records)> on_batch;    // each batch written, from the strand
};

// The log to open: the segment numbers are first_number, first_number + 1 and so on.
struct LogOpening {
  std::uint64_t first_number = 1;
  SegmentEnd predecessor;  // number 0: none
  bool promised = true;    // false: a switch is running, see Journal::set_promised
};

// What a closed log leaves behind. end.number is 0 when there was no log.
struct LogClosing {
  SegmentEnd end;                  // of the last segment that was started; truncated to `used` and synced
  std::uint64_t unused_first = 0;  // prepared, never started, named in MANIFEST: the owner drops and removes them
  std::uint64_t unused_last = 0;   // 0: none
  std::uint64_t next_number = 0;   // no file of this number or a higher one was ever created
};

struct JournalFigures {
  std::uint64_t records = 0;
  std::uint64_t batches = 0;
  std::uint64_t fsyncs = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t log_bytes = 0;  // used bytes of the segments written since the log was opened and not forgotten since
  std::uint64_t segments_started = 0;
  std::uint64_t current_segment = 0;  // 0: no log
  std::uint64_t queued_bytes = 0;
  std::chrono::nanoseconds disk_silence{
      0};  // how long the log's oldest call to the disk has been under way; 0: none is
};

class Journal {
 public:
  Journal(FileSystem& fs, Clock& clock, LogKeeper& keeper, JournalOptions options);
  ~Journal();  // stops the threads; what was not synced by stop() is not synced here
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // ---- For the engine -------------------------------------------------------------------------------------------

  // A ticket for one record of at most `record_bytes` (record_bytes_of() of its mutations), at most record_bytes_max;
  // or for `records` of them, at least one, with so many bytes together.
  Admission admit(std::size_t record_bytes, Scheduler& home, std::uint32_t records = 1) noexcept;

  // Numbers the record and, when the ticket says logging(), queues it. Copies the mutations; one record is all or
  // nothing. Call it while every shard it touches is locked. Never blocks on the disk, never allocates.
  // Uses up one record of the ticket.
  Revision append(Ticket& ticket, std::span<const Mutation> mutations, const RequestBlock* request = nullptr) noexcept;
  Revision append(Ticket&& ticket, std::span<const Mutation> mutations,
                  const RequestBlock* request = nullptr) noexcept {
    return append(ticket, mutations, request);
  }

  // For the writer of `revision`. After a failure OUTCOME_UNKNOWN. kMemory, and a journal without a log, is ready.
  // kDisk forces a sync under INTERVAL and NEVER, or joins one.
  LevelWait wait_written(Revision revision, Level level, Scheduler& home) noexcept;
  // For an answer that shows `revision`: until it is durable. After a failure NOT_DURABLE.
  LevelWait wait_readable(Revision revision, Scheduler& home) noexcept;
  // For one who asks whether `revision` has reached the level; see check_level(). After a failure NOT_DURABLE.
  LevelWait wait_reached(Revision revision, Level level, Scheduler& home) noexcept;
  // Ends a wait before its time: it resumes with CANCELLED unless it is resumed already. From any thread, as long as
  // the wait is there; also before it began.
  void leave(LevelWait& wait) noexcept;
  // Whether an explicit level can be promised now; else DURABILITY_UNAVAILABLE.
  absl::Status check_level(Level level) const;

  // kDisk means that answers must not show what is not durable: compare with durable(), then wait_readable().
  Level default_level() const noexcept;
  Revision applied() const noexcept;
  Revision durable() const noexcept;
  // What a crash leaves: a log that is not promised yet does not count. None of the three ever goes back.
  Watermarks watermarks() const noexcept;
  // False after a failure, and while a full disk keeps new writes out.
  bool accepting_writes() const noexcept;
  // OK, or why every write is refused for good.
  absl::Status failure() const;
  JournalFigures figures() const noexcept;

  // ---- For Storage: from one thread at a time, which may block -----------------------------------------------------

  // Begins paused and without a log. The next revision is last_revision + 1; no revision above `ceiling` is given away.
  void start(Revision last_revision, Revision ceiling);

  // New admissions wait. Returns when no ticket is out and, with a log, all of it is written and synced. On an error
  // (the journal has failed) it is paused all the same; resume() undoes it.
  absl::Status pause();
  void resume();
  // A final failure that the owner met (a failed sync of MANIFEST): the same as one of the log.
  void fail(const absl::Status& why);

  // While paused. Prepares the first segments, writes and syncs the first one's header: base revision = applied().
  // os and durable begin there. On an error there is no log; files may have been created, see LogClosing::next_number.
  absl::Status open_log(const LogOpening& opening);
  // While paused. Seals the log: everything synced, the last segment truncated.
  absl::StatusOr<LogClosing> close_log();

  // While not promised, default_level() is kMemory and an explicit OS or DISK is refused although there is a log.
  void set_promised(bool promised);
  // Segment size counts from the next prepared segment on, the policy at once.
  void set_settings(const LogSettings& settings);

  // Waits until `revision` is durable, forcing a sync under every policy. OK at once without a log. Segments that were
  // full by then are closed, and stand in the list below.
  absl::Status sync_through(Revision revision);
  // While there is no log for want of space: who writes is told so, also while paused.
  void refuse_writes(bool refuse);
  // A stop has begun: the next full disk is final, so that nobody goes on waiting in here for it to heal.
  void give_up_on_full_disk() noexcept;

  // Closed segments, oldest first; forget_segments drops those up to `number` from the list and from log_bytes.
  std::vector<ClosedSegment> closed_segments() const;
  void forget_segments(std::uint64_t number);

  // At the end of a stop: whoever still waits is completed, writers with OUTCOME_UNKNOWN, readers and admissions with
  // SHUTTING_DOWN, and whoever comes later at once.
  void abandon_waiters();
  // pause(), close_log(), end of the threads. Only the figures and watermarks may be asked for afterwards.
  absl::StatusOr<LogClosing> stop();

 private:
  std::unique_ptr<JournalCore> core_;
};

}  // namespace kv
