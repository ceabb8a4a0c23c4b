// Takes a snapshot and makes it count: fork, wait, sync the log through the cut, rename, sync the directory, MANIFEST;
// only then are old snapshots and log segments removed.
//
// Hard part: the order, and that a failure at any step leaves everything as it was. One MANIFEST names the new snapshot
// and drops what it makes superfluous, so no crash can see one without the other. A snapshot belongs to the mode it was
// forked in, and to the switch that asked for it: if either is another by the time the child has ended, it is dropped.
//
// Threads:  take() blocks: one at a time, on the job thread or while stopping; the rest from any thread.
// Lifetime: the io_context runs on another thread as long as take() does.
// Source:   docs/durability.md, "Snapshots".
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>

#include <boost/asio/io_context.hpp>

#include "absl/status/status.h"
#include "persistence/snapshot_forker.h"
#include "persistence/storage_core.h"

namespace kv {

struct SnapshotFigures {
  std::uint64_t taken = 0;
  std::array<std::uint64_t, kSnapshotFaults> failures{};  // by SnapshotFault; those ended on purpose are none
  std::chrono::milliseconds last_duration{0};
  std::chrono::microseconds last_pause{0};           // of the writers, at the last fork, whatever became of it
  std::optional<std::uint64_t> last_copied_bytes{};  // by copy-on-write, of the last child that came to its end
  UnixMillis last_time = 0;
  Revision cut = 0;  // of the newest since the start, or the one that was loaded; kept when a switch drops the file
  Revision changes_counted_from = 0;   // changes since the newest snapshot = applied - this
  std::uint64_t log_bytes_before = 0;  // of the journal's bytes_written, what the newest snapshot makes superfluous
  bool last_failed = false;
  MonotonicTime last_attempt{};
  MonotonicTime last_success{};  // or the start
};

class SnapshotPublisher {
 public:
  // Edits the MANIFEST that publishes `snapshot`, and says which files it drops.
  using Change = std::function<void(Manifest&, const SnapshotRecord& snapshot, Retired&)>;

  SnapshotPublisher(StorageCore& core, boost::asio::io_context& io);

  // What changed before this start: counted as not yet in a snapshot. `cut` of the newest one, 0 without any.
  void begin(Revision cut, Revision changes_counted_from, std::uint64_t log_bytes_above, std::uint64_t next_number);

  // A snapshot of the present mode, with its retention.
  absl::Status take();
  absl::Status take(const Change& change);
  // The one that a stop takes itself: every other is ended by a stop, however late it comes.
  absl::Status take_last();
  // Ends a running child; its take() answers CANCELLED, and nothing has changed. So does one that a switch which was
  // accepted meanwhile has overtaken.
  void cancel() { forker_.cancel(); }

  SnapshotFigures figures() const;
  // By copy-on-write, because of the child that is running; 0 without one.
  std::uint64_t copied_bytes() const { return forker_.copied_bytes(); }
  PageMender::Figures pages() const { return forker_.mender().figures(); }
  // Bytes in the log that the newest snapshot does not cover, about.
  std::uint64_t log_bytes_since() const;
  // Of the one that is being written, from 0 to 1; else 0.
  double progress() const noexcept;

 private:
  // What a snapshot is made for.
  struct Purpose {
    Mode mode;
    std::optional<Mode> switching_to;
    friend bool operator==(const Purpose&, const Purpose&) = default;
  };

  SnapshotForkerOptions forker_options();
  static Purpose purpose_in(const Manifest& manifest);
  absl::Status try_take(const Change& change, SnapshotFault& fault);
  SnapshotOutcome write_file(std::uint64_t number);
  absl::Status publish(const SnapshotOutcome& outcome, const Purpose& purpose, const Change& change);
  // Removes a file that will not count, and passes on why.
  absl::Status drop(const std::string& path, absl::Status why);
  void warn_if_slow(const SnapshotOutcome& outcome) const;

  StorageCore& core_;
  std::atomic<std::uint64_t> keys_expected_{0};  // of the one that is being written; 0: none is
  std::atomic<std::uint64_t> keys_written_{0};
  std::atomic<bool> last_{false};  // a stop takes its own
  SnapshotForker forker_;

  mutable std::mutex mutex_;  // guards what follows
  SnapshotFigures figures_;
  std::uint64_t log_bytes_at_start_ = 0;  // of segments from before this start
  std::uint64_t next_number_ = 1;
};

}  // namespace kv
