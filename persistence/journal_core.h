// The inside of Journal: who may append (admission), numbering, and the doors between callers, strand and supply.
//
// Hard part: without a log, admit() and append() are a few atomic operations; with one, they share a mutex. One word,
// gate_, says which: it counts the records of the tickets that are out, and its highest bit, kClosed, sends everybody
// to the mutex. Whoever adds a ticket and then finds the gate closed takes it back and goes the long way.
//
// Threads:  as journal.h. mutex_ is taken inside shard locks and never held over a system call; no other lock of the
//           journal but the supply's is taken inside it.
// Rounds:   woken for each record, the strand takes the core away from a busy poller for one record. So a poller hands
//           over when its bunch of events is done (core/poll_loop.h), and only then the strand begins a round, which
//           takes everything that is queued. Each does so for itself, and when it waits for another's record: one that
//           stands still in its bunch holds up nobody. Any other thread hands over at once, and so does whoever blocks
//           until something is durable: the poller may be about to wait for a lock of theirs.
// Space:    a record reserves twice its bytes of log space, because up to one record's length is left unused where a
//           segment ends. So what is reserved always fits into the current segment and the prepared ones.
#pragma once

#include <atomic>
#include <cassert>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "persistence/batch_queue.h"
#include "persistence/group_size.h"
#include "persistence/journal.h"
#include "persistence/level_waiters.h"
#include "persistence/log_strand.h"
#include "persistence/log_supply.h"

namespace kv {

class JournalCore {
 public:
  JournalCore(FileSystem& fs, Clock& clock, LogKeeper& keeper, JournalOptions options);
  ~JournalCore();

  // For Admission, Ticket and LevelWait. admit_fast() decides only what takes no lock.
  // True: admission.ticket_ or admission.refused_ is set. False: it waits in turn and will be completed.
  bool admit_now(Admission& admission) noexcept;
  bool admit_fast(Admission& admission) noexcept;
  void give_back(Ticket& ticket) noexcept;
  Revision append(Ticket& ticket, std::span<const Mutation> mutations, const RequestBlock* request) noexcept;
  bool level_reached(const LevelWait& wait) const noexcept;
  bool join(LevelWait& wait) noexcept;
  void leave(LevelWait& wait) noexcept { waiters_.leave(wait); }
  absl::Status check_level(Level level) const;
  static absl::Status level_given(Level level, bool logging, bool promised);

  Level default_level() const noexcept { return default_level_.load(std::memory_order_acquire); }
  Revision applied() const noexcept { return applied_.load(std::memory_order_acquire); }
  const LevelWaiters& watermarks() const noexcept { return waiters_; }
  Watermarks promised_watermarks() const noexcept;
  bool accepting_writes() const noexcept;
  absl::Status failure() const;
  JournalFigures figures() const noexcept;

  void start(Revision last_revision, Revision ceiling);
  absl::Status pause();
  void resume();
  void fail(const absl::Status& why);
  absl::Status open_log(const LogOpening& opening);
  absl::StatusOr<LogClosing> close_log();
  void set_promised(bool promised);
  void set_settings(const LogSettings& settings);
  absl::Status sync_through(Revision revision);
  LogStrand& strand() noexcept { return strand_; }
  // What is queued is to be written: at once, or when this poller's bunch is done.
  void hand_over_now() noexcept;
  void hand_over_soon() noexcept;
  void abandon();
  absl::StatusOr<LogClosing> stop();

  // For the strand and the sync thread.
  bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }
  // The records queued so far, or false where none was handed over: then the strand is idle until it is woken.
  bool take(BatchQueue::Taken& taken) noexcept;
  // The strand is done with `taken`; log space of `used_bytes` is gone.
  void written(const BatchQueue::Taken& taken, std::uint64_t used_bytes);
  // Space for a batch that nobody reserved; false: none to spare.
  bool take_spare_space(std::uint64_t bytes) noexcept;
  // Reasons to keep new writes out, set and cleared by the strand: a disk that is full, a sync that is late.
  void refuse_writes(bool refuse);
  void delay_writes(bool delay);
  LevelWaiters& waiters() noexcept { return waiters_; }
  const JournalOptions& options() const noexcept { return options_; }

  // For the supply.
  // `segment_room` is the largest of the segments that bring the bytes.
  void add_space(std::uint64_t bytes, std::uint64_t segment_room);
  void set_ceiling(Revision ceiling);
  // The last attempt to get space met a full disk (or no longer does).
  void set_supply_blocked(bool blocked);

 private:
  static constexpr std::uint64_t kClosed = std::uint64_t{1} << 63;

  enum class Verdict { kGranted, kWait, kRefused };
  static Verdict refuse(Admission& admission, absl::Status why) noexcept;
  Verdict refuse_for_space(Admission& admission) noexcept;
  Verdict refusal(Admission& admission) noexcept;
  Verdict judge(Admission& admission) noexcept;
  Verdict judge_log(Admission& admission) noexcept;
  Verdict grant(Admission& admission, std::uint32_t space_bytes) noexcept;
  std::uint32_t space_for(std::uint32_t record_bytes, std::uint32_t records) const noexcept;
  bool below_ceiling(std::uint64_t tickets) const noexcept;
  void want_ceiling(std::uint64_t records) noexcept;
  void release_gate(std::uint64_t records) noexcept;
  void update_gate() noexcept;
  void admit_waiting(WakeLists& woken);
  void set_flag(bool& flag, bool value);
  std::uint64_t tickets_out() const noexcept { return gate_.load() & ~kClosed; }
  void update_level() noexcept;
  void discard_marks() noexcept;
  bool hand_over() noexcept;
  bool gather(std::unique_lock<std::mutex>& lock) noexcept;
  bool gathered() const noexcept;
  bool bunch_hands_over() noexcept;

  const JournalOptions options_;
  LevelWaiters waiters_;

  // Self-synchronised; the first two on lines of their own, every write touches them.
  alignas(64) std::atomic<std::uint64_t> gate_{kClosed};
  alignas(64) std::atomic<Revision> applied_{0};
  alignas(64) std::atomic<Revision> ceiling_{0};
  std::atomic<Revision> raise_at_{0};  // append() asks for a higher ceiling when it gets there
  std::atomic<bool> failed_{false};
  std::atomic<bool> logging_{false};   // changes only while paused
  std::atomic<bool> refusing_{false};  // a full disk keeps new writes out
  std::atomic<bool> starved_{false};   // a write was refused because no segment could be prepared, and still none can
  std::atomic<Level> default_level_{Level::kMemory};
  std::atomic<std::uint64_t> records_{0};

  alignas(64) mutable std::mutex mutex_;  // guards the rest
  std::condition_variable tickets_back_;
  absl::Status failure_;
  absl::Status suspended_;  // what admissions get after a failure
  CompletionList waiting_;  // Admissions, in turn
  bool paused_ = true;
  bool abandoned_ = false;
  bool delaying_ = false;
  bool supply_blocked_ = false;
  bool promised_ = true;
  std::optional<Watermarks> marks_before_;  // of a log that is not promised: where they stood before it
  FsyncPolicy policy_;
  std::uint64_t segment_bytes_;
  bool strand_awake_ = false;
  bool handed_over_ = false;  // what is queued is to be written
  GroupSize group_;
  std::uint64_t queued_calls_ = 0;  // tickets that have queued something
  std::uint64_t wanted_ = 0;        // calls that the strand waits for; 0: it does not
  std::condition_variable gathered_;
  BatchQueue queue_;
  std::uint64_t queue_reserved_ = 0;  // by tickets that are out
  std::uint64_t space_reserved_ = 0;  // by tickets that are out and records not yet written
  std::uint64_t space_ = 0;           // in the current segment and the prepared ones
  std::uint64_t segment_room_ = 0;    // the most that any segment since open_log() has

  // Last: their threads use everything above.
  LogSupply supply_;
  LogStrand strand_;
};

}  // namespace kv
