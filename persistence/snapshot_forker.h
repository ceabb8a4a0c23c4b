// Takes snapshots: brings the store to a quiet point for as long as a fork takes, and lets the child write.
//
// Hard part: forking a threaded process. One thread, which lives as long as this object, does nothing else: the child
// asks to die with the thread that forked it. Everything the child needs is made before; between the last shard lock
// and the fork nothing blocks or allocates; _Fork() keeps other people's fork handlers out of it. The child is watched
// on the owner's io_context, and what it has written is compared with what was counted under the locks.
//
// What a snapshot costs is measured: the pause of the writers, and the memory that copy-on-write has taken by the end
// of the child (persistence/private_memory.h says what is in it), which the child reads and reports.
//
// What it does not do is publish: the file stays under its temporary name until the owner has synced the log through
// the cut, renamed it and told MANIFEST.
//
// Between one child and the next the huge pages of the data are put together again (persistence/page_mender.h).
//
// Where a File has no descriptor (a simulated disk) there is nothing a child could write to: the same writer then runs
// in this process, with every shard locked.
//
// Threads:  all calls from any thread. `done` and `on_progress` run on the io_context, or in the destructor.
// Lifetime: the io_context, file system, clock and store outlive it. The destructor ends a running child.
// Errors:   a snapshot that fails is an outcome, and leaves no file behind unless removing it fails too.
// Source:   signal-safety(7), clone(2), pthread_atfork(3), and the page docs/formats/snapshot.md.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <sys/types.h>

#include "absl/status/status.h"
#include "core/clock.h"
#include "core/file_system.h"
#include "persistence/page_mender.h"
#include "persistence/snapshot_fault.h"
#include "persistence/snapshot_file.h"
#include "persistence/snapshot_sink.h"
#include "persistence/snapshot_writer.h"
#include "store/store.h"

namespace kv {

class ChildWatch;
struct SnapshotChildMessage;

struct SnapshotOrder {
  std::uint64_t number = 0;
  StoreId store_id{};
  std::string directory;  // exists; the temporary is created in it: NUMBER.snap.tmp
  // Asked once, when cancel() would already find this one: true, and it is cancelled. May be empty.
  std::function<bool()> unwanted{};
};

struct SnapshotOutcome {
  absl::Status status;
  SnapshotFault fault = SnapshotFault::kNone;  // which step the status is of; kNone: OK, or cancelled
  std::string temporary_path;                  // complete and synced when the status is OK, gone otherwise
  SnapshotInfo info;                           // cut, totals, digest; what MANIFEST will say
  std::chrono::microseconds pause{0};  // how long writers could not go on: locking, forking, unlocking; 0: not forked
  std::optional<std::uint64_t> copied_bytes;  // by copy-on-write; only of a child that came to its end, see above
  std::chrono::milliseconds duration{0};
};

struct SnapshotForkerOptions {
  std::size_t buffer_bytes = snapshot_format::kBlockTargetBytes;
  std::uint64_t sync_every_bytes = SnapshotWriter::kSyncEveryBytes;
  std::chrono::milliseconds silence_max{30'000};             // a child that gives no sign of life for so long is killed
  std::chrono::microseconds pause_per_write{0};              // slows the child down, for tests
  std::function<void(const SnapshotProgress&)> on_progress;  // may be empty
  PageMender::Work pages = PageMender::data_heap();          // mended after each child
  std::function<void(const std::string&)> warn;              // may be empty; what is worth a line in the log
};

class SnapshotForker {
 public:
  // Called with every shard locked: the last revision assigned. Must not block or allocate.
  using LastRevision = std::function<Revision()>;
  using Done = std::function<void(SnapshotOutcome)>;

  SnapshotForker(boost::asio::io_context& io, FileSystem& fs, const Clock& clock, Store& store,
                 LastRevision last_revision, SnapshotForkerOptions options);
  ~SnapshotForker();
  SnapshotForker(const SnapshotForker&) = delete;
  SnapshotForker& operator=(const SnapshotForker&) = delete;

  // OK: `done` will be called exactly once. TRANSITION_IN_PROGRESS while another snapshot is being taken.
  absl::Status begin(SnapshotOrder order, Done done);
  // Ends the running one, if any; its `done` gets kCancelled.
  void cancel();
  // The child that is writing now.
  std::optional<pid_t> child() const;
  // What copy-on-write has cost because of it so far; 0 without one.
  std::uint64_t copied_bytes() const;
  const PageMender& mender() const noexcept { return mender_; }

 private:
  struct Job;
  void run();
  void take(const std::shared_ptr<Job>& job);
  absl::Status prepare(Job& job);
  void count_and_stamp(Job& job) const noexcept;
  absl::Status fork_child(const std::shared_ptr<Job>& job);
  void write_here(Job& job);
  static void hear(Job& job, const std::optional<SnapshotChildMessage>& last_word);
  absl::Status check_file(Job& job) const;
  void conclude(Job& job, SnapshotFault step, absl::Status status);
  bool cancelled(const Job& job) const;

  boost::asio::io_context& io_;
  FileSystem& fs_;
  const Clock& clock_;
  Store& store_;
  const LastRevision last_revision_;
  const SnapshotForkerOptions options_;
  const std::span<std::byte> buffer_;  // mapped: the child's copy is its own

  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::shared_ptr<Job> job_;       // from begin() until it is concluded
  std::shared_ptr<Job> last_job_;  // concluded while stopping: the destructor calls its `done`
  std::shared_ptr<ChildWatch> watch_;
  bool job_is_new_ = false;
  bool stopping_ = false;

  PageMender mender_;
  std::thread thread_;
};

}  // namespace kv
