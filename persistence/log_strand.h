// Everything that touches the bytes of the log: takes what is queued, writes it, syncs it, moves the watermarks.
//
// Hard part: under ALWAYS one round is write, fdatasync, wake, and what is handed over meanwhile is the next round.
// Under INTERVAL and NEVER the sync runs beside the writes, on a second strand. `durable` may then only cover what was
// written before the fdatasync began, and a closed segment counts before its successor. Rounds of syncs never overlap,
// also where both strands ask for one (a pause under ALWAYS): an error of the disk is told once.
//
// Threads: two of its own, used for nothing else: `writes_` and `syncs_` are strands on them. wake() from any thread.
// Errors:  see journal.h. A full disk: the same batch is written again at the same place until it succeeds.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include "absl/status/status.h"
#include "core/clock.h"
#include "persistence/batch_queue.h"
#include "persistence/disk_calls.h"
#include "persistence/handler_memory.h"
#include "persistence/journal.h"
#include "persistence/segment_writer.h"

namespace kv {

class JournalCore;
class LogSupply;

class LogStrand {
 public:
  LogStrand(JournalCore& core, LogSupply& supply, Clock& clock);
  ~LogStrand();

  // There is something in the queue. At most one call between two takes; allocates nothing.
  void wake() noexcept;
  // Somebody waits for a sync that the policy would not do by itself soon.
  void request_sync() noexcept;
  // The same unless the policy is ALWAYS: then the strand is about to do it.
  void sync_beside_writes() noexcept {
    if (policy_ != FsyncPolicy::kAlways) request_sync();
  }

  // Block until the strand has done it.
  absl::Status open(std::unique_ptr<SegmentWriter> first, const SegmentEnd& predecessor, Revision base);
  absl::StatusOr<SegmentEnd> close();
  void set_policy(FsyncPolicy policy, std::chrono::milliseconds interval);
  // Closed segments that are synced by now are truncated and listed: they may be trimmed.
  void tidy();
  void stop();
  // The next full disk is final: nobody will wait for it to heal.
  void give_up_on_full_disk() noexcept { give_up_ = true; }

  std::vector<ClosedSegment> closed_segments() const;
  void forget_segments(std::uint64_t number);
  void add_figures(JournalFigures& figures) const noexcept;

 private:
  using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;
  enum class Progress { kDone, kBlocked, kFailed };

  // On writes_.
  void drain();
  // False: no next round until something wakes the strand.
  bool continue_writing();
  Progress write_taken();
  Progress next_batch();
  Progress write_batch();
  Progress rotate();
  bool finish_round();
  void retry_later();
  Progress stopped_by(const absl::Status& why);
  void arm_idle();
  void wait_for_idle(std::chrono::steady_clock::duration time);
  void write_watermark();

  // On syncs_, or on writes_ under ALWAYS.
  bool sync_round();
  void sync_closed();
  bool sync_segments(bool current_too);
  bool sync_file(SegmentWriter& segment);
  void tidy_closed();
  void interval_sync();
  MonotonicTime::duration until_sync_is_due() const;
  void arm_interval();
  void sync_if_wanted();
  void update_delay();

  void fail(const absl::Status& why);

  JournalCore& core_;
  LogSupply& supply_;
  Clock& clock_;
  DiskCalls calls_{clock_};
  HandlerMemory wake_memory_;  // before io_, whose handlers lie in them
  HandlerMemory sync_memory_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_;
  Strand writes_;
  Strand syncs_;
  std::atomic<bool> sync_requested_{false};
  std::atomic<bool> interval_armed_{false};
  std::atomic<bool> give_up_{false};
  std::atomic<FsyncPolicy> policy_;
  std::atomic<std::chrono::milliseconds> interval_;

  // Of writes_.
  boost::asio::steady_timer retry_;
  boost::asio::steady_timer idle_;
  std::chrono::steady_clock::time_point idle_due_{};
  bool idle_armed_ = false;
  BatchQueue::Taken taken_;
  std::size_t position_ = 0;   // in taken_: where the next batch's header goes
  std::size_t batch_end_ = 0;  // in taken_: where the batch being written ends; 0: none is
  Revision batch_last_ = 0;
  std::uint32_t batch_records_ = 0;
  std::uint64_t space_used_ = 0;         // by this round, the ends of segments left empty included
  bool blocked_ = false;                 // a full disk stopped the round in the middle
  Revision watermark_written_ = 0;       // in the last header
  std::unique_ptr<SegmentWriter> next_;  // taken from the supply, its start block not yet written

  // Of syncs_.
  boost::asio::steady_timer interval_timer_;

  std::mutex round_mutex_;             // held while a round of syncs is under way; taken before the next
  mutable std::mutex segments_mutex_;  // guards the rest; not held over a system call
  std::shared_ptr<SegmentWriter> current_;
  std::uint64_t current_used_ = 0;
  Revision current_os_ = 0;                               // what `current_` and those before it hold
  std::vector<std::shared_ptr<SegmentWriter>> unsynced_;  // closed, oldest first
  std::vector<std::shared_ptr<SegmentWriter>> untidied_;  // closed and synced, not yet truncated
  std::vector<ClosedSegment> closed_;
  std::optional<MonotonicTime> oldest_unsynced_;

  // Figures.
  std::atomic<std::uint64_t> batches_{0};
  std::atomic<std::uint64_t> fsyncs_{0};
  std::atomic<std::uint64_t> bytes_written_{0};
  std::atomic<std::uint64_t> segments_started_{0};

  std::array<std::thread, 2> threads_;
};

}  // namespace kv
