// Takes snapshots: brings the store to a quiet point for as long as a fork takes, and lets the child write.
//
// Hard part: forking a threaded process. One thread, which lives as long as this object, does nothing else: the child
// asks to die with the thread that forked it. Everything the child needs is made before; between the last shard lock
// and the fork nothing blocks or allocates; _Fork() keeps other people's fork handlers out of it. The child is watched
// on the owner's io_context, and what it has written is compared with what was counted under the locks.
//
// What it does not do is publish: the file stays under its temporary name until the owner has synced the log through
// the cut, renamed it and told MANIFEST.
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
#include "persistence/snapshot_file.h"
#include "persistence/snapshot_sink.h"
#include "persistence/snapshot_writer.h"
#include "store/store.h"

namespace kv {

class ChildWatch;

struct SnapshotOrder {
  std::uint64_t number = 0;
  StoreId store_id{};
  std::string directory;  // exists; the temporary is created in it: NUMBER.snap.tmp
};

struct SnapshotOutcome {
  absl::Status status;
  std::string temporary_path;          // complete and synced when the status is OK, gone otherwise
  SnapshotInfo info;                   // cut, totals, digest; what MANIFEST will say
  std::chrono::microseconds pause{0};  // how long writers could not go on: locking, forking, unlocking
  std::chrono::milliseconds duration{0};
};

struct SnapshotForkerOptions {
  std::size_t buffer_bytes = snapshot_format::kBlockTargetBytes;
  std::uint64_t sync_every_bytes = SnapshotWriter::kSyncEveryBytes;
  std::chrono::milliseconds silence_max{30'000};             // a child that gives no sign of life for so long is killed
  std::chrono::microseconds pause_per_write{0};              // slows the child down, for tests
  std::function<void(const SnapshotProgress&)> on_progress;  // may be empty
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

 private:
  struct Job;
  void run();
  void take(const std::shared_ptr<Job>& job);
  absl::Status prepare(Job& job);
  void count_and_stamp(Job& job) const noexcept;
  absl::Status fork_child(const std::shared_ptr<Job>& job);
  void write_here(Job& job);
  void conclude(Job& job, absl::Status status);
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

  std::thread thread_;
};

}  // namespace kv
