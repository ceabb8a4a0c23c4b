#include "persistence/snapshot_forker.h"

#include <cerrno>
#include <csignal>
#include <random>

#include <boost/asio/post.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"
#include "persistence/child_watch.h"
#include "persistence/snapshot_child.h"
#include "persistence/snapshot_walk.h"

namespace kv {
namespace {

using std::chrono::duration_cast;
using std::chrono::steady_clock;

std::span<std::byte> map_buffer(std::size_t bytes) {
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return {static_cast<std::byte*>(memory), bytes};
}

// Without the fork handlers that libraries have registered: they take locks while the whole store waits, and in the
// child they would touch what must not be touched. The sanitizers need theirs.
pid_t fork_bare() noexcept {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  return ::fork();
#else
  return ::_Fork();
#endif
}

struct Ending {
  SnapshotFault fault;  // of the status, unless that is OK
  absl::Status status;
};

Ending how_it_ended(const ChildWatch::Ended& ended, const std::string& path) {
  if (ended.silent) {
    return {SnapshotFault::kSilence,
            absl::DeadlineExceededError("the snapshot child gave no sign of life and was killed")};
  }
  Ending ending{SnapshotFault::kChild, absl::OkStatus()};
  if (ended.last_word && ended.last_word->kind == SnapshotChildMessage::Kind::kFailed) {
    ending.status = errno_status(ended.last_word->error_number, fmt::format("write snapshot {}", path));
  } else if (ended.wait_status == -1) {
    ending.status = absl::InternalError("the snapshot child ended, and nobody knows how");
  } else if (WIFSIGNALED(ended.wait_status)) {
    ending.status =
        absl::AbortedError(fmt::format("the snapshot child was killed by signal {}", WTERMSIG(ended.wait_status)));
  } else if (ended.wait_status != 0 || !ended.last_word) {
    ending.status = absl::InternalError(
        fmt::format("the snapshot child ended with code {} without a word", WEXITSTATUS(ended.wait_status)));
  }
  return ending;
}

absl::Status compare(const snapshot_format::Footer& written, const StoreTotals& counted, std::uint64_t request_ids) {
  if (written.entries == counted.keys && written.data_bytes == counted.data_bytes &&
      written.state_digest == counted.digest && written.request_ids == request_ids) {
    return absl::OkStatus();
  }
  return error(
      Reason::kInternal,
      fmt::format("the snapshot holds {} keys, {} bytes, digest {:016x}, {} request ids; the store had {}, {}, "
                  "{:016x}, {}",
                  written.entries, written.data_bytes, written.state_digest, written.request_ids, counted.keys,
                  counted.data_bytes, counted.digest, request_ids));
}

}  // namespace

struct SnapshotForker::Job {
  SnapshotOrder order;
  Done done;
  steady_clock::time_point started = steady_clock::now();
  std::unique_ptr<File> file;
  Descriptor pipe_read, pipe_write;
  snapshot_format::FileHeader header;
  StoreTotals counted;              // under the locks
  std::uint64_t request_ids = 0;    // the same
  snapshot_format::Footer written;  // by whoever wrote
  SnapshotOutcome outcome;
  bool cancelled = false;  // guarded by the forker's mutex_
};

SnapshotForker::SnapshotForker(boost::asio::io_context& io, FileSystem& fs, const Clock& clock, Store& store,
                               LastRevision last_revision, SnapshotForkerOptions options)
    : io_(io),
      fs_(fs),
      clock_(clock),
      store_(store),
      last_revision_(std::move(last_revision)),
      options_(std::move(options)),
      buffer_(map_buffer(std::max(options_.buffer_bytes, SnapshotWriter::kBufferBytesMin))),
      mender_(options_.pages, options_.warn),
      thread_([this] { run(); }) {}

SnapshotForker::~SnapshotForker() {
  cancel();
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
  std::unique_lock lock(mutex_);
  if (const std::shared_ptr<ChildWatch> watch = watch_) {
    lock.unlock();  // The end of the child concludes the job.
    watch->end_now();
    lock.lock();
  }
  // The io_context may be concluding it at this very moment.
  changed_.wait(lock, [this] { return !job_; });
  ::munmap(buffer_.data(), buffer_.size());
  if (last_job_) last_job_->done(std::move(last_job_->outcome));
}

absl::Status SnapshotForker::begin(SnapshotOrder order, Done done) {
  auto job = std::make_shared<Job>();
  job->order = std::move(order);
  job->done = std::move(done);
  {
    std::lock_guard lock(mutex_);
    if (job_) return error(Reason::kTransitionInProgress, "another snapshot is being taken");
    job->cancelled = job->order.unwanted && job->order.unwanted();
    job_ = std::move(job);
    job_is_new_ = true;
  }
  changed_.notify_all();
  return absl::OkStatus();
}

void SnapshotForker::cancel() {
  std::lock_guard lock(mutex_);
  if (job_) job_->cancelled = true;
  if (watch_) watch_->kill();
}

std::optional<pid_t> SnapshotForker::child() const {
  std::lock_guard lock(mutex_);
  return watch_ ? std::optional(watch_->child()) : std::nullopt;
}

std::uint64_t SnapshotForker::copied_bytes() const {
  std::shared_ptr<ChildWatch> watch;
  {
    std::lock_guard lock(mutex_);
    watch = watch_;
  }
  return watch ? watch->copied_bytes() : 0;
}

// Signals are blocked here for good: none is to arrive between the fork and the moment the child has put them away.
void SnapshotForker::run() {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
  ::pthread_setname_np(::pthread_self(), "kv-fork");
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || job_is_new_; });
    if (!job_is_new_) return;
    job_is_new_ = false;
    const std::shared_ptr<Job> job = job_;
    lock.unlock();
    take(job);
    lock.lock();
  }
}

void SnapshotForker::take(const std::shared_ptr<Job>& job) {
  if (absl::Status ready = prepare(*job); !ready.ok()) return conclude(*job, SnapshotFault::kPrepare, std::move(ready));
  if (cancelled(*job)) return conclude(*job, SnapshotFault::kNone, absl::OkStatus());
  if (job->file->descriptor() < 0) return write_here(*job);
  if (absl::Status forked = fork_child(job); !forked.ok()) conclude(*job, SnapshotFault::kFork, std::move(forked));
}

// Everything that can fail or take time, before any lock is taken.
absl::Status SnapshotForker::prepare(Job& job) {
  job.outcome.temporary_path =
      fmt::format("{}/{}.tmp", job.order.directory, snapshot_format::file_name(job.order.number));
  absl::StatusOr<std::unique_ptr<File>> file = fs_.create(job.outcome.temporary_path);
  if (!file.ok()) return file.status();
  job.file = std::move(*file);
  std::random_device random;
  job.header.store_id = job.order.store_id;
  job.header.number = job.order.number;
  job.header.salt = std::uint64_t{random()} << 32 | random();

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_status(errno, "pipe for the snapshot child");
  job.pipe_read = Descriptor(ends[0]);
  job.pipe_write = Descriptor(ends[1]);
  if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return errno_status(errno, "pipe for the snapshot child");
  return absl::OkStatus();
}

// With every shard locked.
void SnapshotForker::count_and_stamp(Job& job) const noexcept {
  job.header.cut = last_revision_();
  job.header.clock = clock_.now();
  job.header.created = job.header.clock;
  job.counted = store_.totals_frozen();
  job.request_ids = store_.requests().count_frozen();
}

absl::Status SnapshotForker::fork_child(const std::shared_ptr<Job>& job) {
  SnapshotChildPlan plan{.file = job->file->descriptor(),
                         .pipe = job->pipe_write.get(),
                         .parent = ::getpid(),
                         .store = &store_,
                         .header = {},
                         .buffer = buffer_,
                         .sync_every_bytes = options_.sync_every_bytes,
                         .pause_per_write = options_.pause_per_write};
  mender_.pause();  // What a child shares must not be copied whole, and the fork not wait for a page.
  const auto before = steady_clock::now();
  pid_t child = -1;
  int error_number = 0;
  {
    const LockedAll quiet = store_.lock_all();
    count_and_stamp(*job);
    plan.header = job->header;
    child = fork_bare();
    if (child == 0) run_snapshot_child(plan);
    error_number = errno;
  }
  job->outcome.pause = duration_cast<std::chrono::microseconds>(steady_clock::now() - before);
  job->pipe_write.reset();
  if (child < 0) return errno_status(error_number, "fork the snapshot child");

  auto watch = std::make_shared<ChildWatch>(
      io_, child, options_.silence_max,
      ChildWatch::Callbacks{.on_progress = options_.on_progress, .on_end = [this, job](const ChildWatch::Ended& ended) {
                              hear(*job, ended.last_word);
                              Ending ending = how_it_ended(ended, job->outcome.temporary_path);
                              conclude(*job, ending.fault, std::move(ending.status));
                            }});
  {
    std::lock_guard lock(mutex_);
    watch_ = watch;
    if (job->cancelled) watch->kill();
  }
  watch->start(std::move(job->pipe_read));
  return absl::OkStatus();
}

// No child without a descriptor: written here, while every shard waits.
void SnapshotForker::write_here(Job& job) {
  FileSink sink(*job.file);
  SnapshotWriter writer(sink, buffer_, options_.sync_every_bytes);
  const auto before = steady_clock::now();
  bool written = false;
  {
    const LockedAll quiet = store_.lock_all();
    count_and_stamp(job);
    written = write_frozen_store(store_, job.header, writer);
  }
  job.outcome.pause = duration_cast<std::chrono::microseconds>(steady_clock::now() - before);
  job.written = writer.totals();
  conclude(job, SnapshotFault::kChild,
           written ? absl::OkStatus()
                   : errno_status(writer.error_number(), fmt::format("write snapshot {}", job.file->path())));
}

void SnapshotForker::hear(Job& job, const std::optional<SnapshotChildMessage>& last_word) {
  if (!last_word) return;
  job.written = last_word->totals;
  if (last_word->copied_known) job.outcome.copied_bytes = last_word->copied_bytes;
}

// What was written is what was counted, and the file says the same of itself.
absl::Status SnapshotForker::check_file(Job& job) const {
  if (absl::Status same = compare(job.written, job.counted, job.request_ids); !same.ok()) return same;
  absl::StatusOr<SnapshotInfo> read_back = read_snapshot_info(*job.file, {.store_id = job.header.store_id,
                                                                          .number = job.header.number,
                                                                          .cut = job.header.cut,
                                                                          .file_bytes = job.written.file_bytes,
                                                                          .digest = job.written.digest});
  if (read_back.ok()) job.outcome.info = *read_back;
  return read_back.status();
}

// Once per job, on whichever thread knows the end first. `step` is what `status` is about.
void SnapshotForker::conclude(Job& job, SnapshotFault step, absl::Status status) {
  SnapshotOutcome& outcome = job.outcome;
  const bool was_cancelled = cancelled(job);
  if (status.ok() && !was_cancelled) {
    step = SnapshotFault::kMismatch;
    status = check_file(job);
  }
  if (was_cancelled) status = absl::CancelledError("the snapshot was cancelled");
  outcome.fault = status.ok() || was_cancelled ? SnapshotFault::kNone : step;
  if (!status.ok() && job.file) {
    job.file.reset();
    // What cannot be removed now is swept at the next start: MANIFEST does not name it.
    fs_.remove(outcome.temporary_path).IgnoreError();
  }
  job.file.reset();
  outcome.status = std::move(status);
  outcome.duration = duration_cast<std::chrono::milliseconds>(steady_clock::now() - job.started);

  mender_.begin();
  std::lock_guard lock(mutex_);
  watch_.reset();
  if (stopping_) {
    last_job_ = std::move(job_);
  } else {
    boost::asio::post(io_, [held = std::move(job_)] { held->done(std::move(held->outcome)); });
  }
  // Under the lock: a destructor that waits for this may go on, and with it the condition variable.
  changed_.notify_all();
}

bool SnapshotForker::cancelled(const Job& job) const {
  std::lock_guard lock(mutex_);
  return job.cancelled;
}

}  // namespace kv
