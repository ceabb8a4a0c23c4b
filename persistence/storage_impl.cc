#include "persistence/storage_impl.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "core/absl_text.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

constexpr auto kTick = 200ms;
// A snapshot that failed is not tried again sooner, unless the interval is shorter.
constexpr auto kRetryAfter = 30s;
// A call to the log's disk that takes longer is worth an alarm.
constexpr auto kDiskStalls = 5s;

bool by_interval(Mode mode) { return mode == Mode::kSnapshot || mode == Mode::kHybrid; }

}  // namespace

StorageImpl::~StorageImpl() { end_threads(); }

void StorageImpl::end_threads() {
  core_.begin_stop();
  if (snapshots_ != nullptr) snapshots_->cancel();
  if (jobs_ != nullptr) jobs_->finish();
  io_work_.reset();
  boost::asio::post(io_, [this] { ticker_.cancel(); });
  if (io_thread_.joinable()) io_thread_.join();
}

// ---- Timers -----------------------------------------------------------------------------------------------------

void StorageImpl::wait_for_tick() {
  ticker_.expires_after(kTick);
  ticker_.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled || core_.stopping) return;
    tick();
    wait_for_tick();
  });
}

void StorageImpl::tick() {
  watch_disk();
  watch_changes();
  take_off_void_record();
  if (!jobs_->busy() && snapshot_due()) {
    // The outcome is in the figures and in the log.
    jobs_->post([this] {
      if (!core_.stopping) snapshots_->take().IgnoreError();
    });
  }
}

bool StorageImpl::snapshot_due() const {
  const Settings settings = core_.settings();
  if (settings.mode == Mode::kNonPersistent || !core_.journal->failure().ok()) return false;
  const SnapshotFigures figures = snapshots_->figures();
  const auto since = core_.clock.monotonic() - figures.last_attempt;
  if (figures.last_failed && since < std::min<std::chrono::nanoseconds>(kRetryAfter, settings.snapshot_interval)) {
    return false;
  }
  if (settings.mode != Mode::kAof && since >= settings.snapshot_interval) {
    const Revision changes = core_.journal->applied() - figures.changes_counted_from;
    if (changes >= settings.snapshot_min_changes) return true;
  }
  if (!has_log(settings.mode)) return false;
  const std::shared_ptr<const Manifest> manifest = core_.keeper->get();
  const std::uint64_t newest = manifest->snapshots.empty() ? 0 : manifest->snapshots.back().bytes;
  return outgrown(settings, snapshots_->log_bytes_since(), newest);
}

// A disk that hangs fails nothing: without this line nobody would know what writes wait for.
void StorageImpl::watch_disk() {
  const bool stalls = core_.journal->figures().disk_silence > kDiskStalls;
  if (stalls == std::exchange(disk_stalls_, stalls)) return;
  if (stalls) {
    core_.alarm("the disk of the log has not answered for 5 s: writes wait for it");
  } else {
    core_.info("the disk of the log answers again");
  }
}

// There is something for a snapshot to hold: an interval without changes needs none.
bool StorageImpl::snapshot_owed() const {
  const Settings settings = core_.settings();
  const Revision changes = core_.journal->applied() - snapshots_->figures().changes_counted_from;
  return by_interval(settings.mode) && changes >= settings.snapshot_min_changes;
}

void StorageImpl::watch_changes() {
  const bool owed = snapshot_owed();
  std::lock_guard lock(mutex_);
  if (!owed) {
    owed_since_.reset();
  } else if (!owed_since_) {
    owed_since_ = core_.clock.monotonic();
  }
}

// Whether the last one failed, is still being written or was never begun.
bool StorageImpl::snapshot_overdue() const {
  if (!snapshot_owed()) return false;
  const MonotonicTime last_success = snapshots_->figures().last_success;
  const auto interval = core_.settings().snapshot_interval;
  std::lock_guard lock(mutex_);
  return owed_since_ && core_.clock.monotonic() - std::max(*owed_since_, last_success) > 2 * interval;
}

// ---- Status and stop --------------------------------------------------------------------------------------------

void StorageImpl::add_switch(StorageStatus& status) const {
  std::lock_guard lock(mutex_);
  status.phase = phase_;
  status.switching_from = switching_from_;
  status.switching_to = switching_to_;
  status.switch_base = switch_base_;
  status.switch_failure = switch_failure_;
  const bool under_way = phase_ == SwitchPhase::kAccepted || phase_ == SwitchPhase::kDual;
  status.switch_progress = phase_ == SwitchPhase::kActive ? 1 : under_way ? snapshots_->progress() : 0;
}

StorageStatus StorageImpl::status() const {
  StorageStatus status;
  status.settings = core_.settings();
  add_switch(status);
  if (status.settings.mode == Mode::kHybrid) status.fallback_snapshots = tied_snapshots(*core_.keeper->get());
  const SnapshotFigures snapshots = snapshots_->figures();
  // After the snapshot's: none of the higher ones can then lie below it.
  status.snapshot_revision = snapshots.cut;
  status.watermarks = core_.journal->watermarks();
  status.watermarks.durable = std::max(status.watermarks.durable, status.snapshot_revision);
  status.watermarks.os = std::max(status.watermarks.os, status.watermarks.durable);
  status.accepting_writes = core_.journal->accepting_writes();

  status.snapshots_taken = snapshots.taken;
  status.snapshot_failures = snapshots.failures;
  status.snapshots_failed = std::accumulate(snapshots.failures.begin(), snapshots.failures.end(), std::uint64_t{0});
  status.last_snapshot_duration = snapshots.last_duration;
  status.last_snapshot_pause = snapshots.last_pause;
  status.last_snapshot_copied_bytes = snapshots.last_copied_bytes;
  status.last_snapshot_time = snapshots.last_time;
  const PageMender::Figures pages = snapshots_->pages();
  status.huge_pages_whole = pages.whole;
  status.huge_pages_split = pages.busy;
  const JournalFigures log = core_.journal->figures();
  status.fsyncs = log.fsyncs;
  status.batches = log.batches;
  status.log_bytes = core_.log_bytes();
  status.log_queued_bytes = log.queued_bytes;

  const bool failed = !core_.journal->failure().ok();
  const bool overdue = snapshot_overdue();
  status.log_disk_silence = log.disk_silence;
  const bool stalled = log.disk_silence > kDiskStalls;
  status.promise_kept = !failed && !overdue && !stalled;
  if (failed) status.alarms.emplace_back("disk_failed");
  if (!failed && !status.accepting_writes) status.alarms.emplace_back("disk_full");
  if (stalled) {
    status.alarms.emplace_back("disk_stalled");
    // Nothing is refused, but nobody is answered either.
    if (status.settings.fsync != FsyncPolicy::kNever) status.accepting_writes = false;
  }
  if (snapshots.last_failed) status.alarms.emplace_back("snapshot_failed");
  if (overdue) status.alarms.emplace_back("snapshot_overdue");
  return status;
}

absl::Status StorageImpl::stop() {
  core_.begin_stop();
  snapshots_->cancel();
  core_.journal->give_up_on_full_disk();  // which a job may be waiting for
  jobs_->finish();
  const absl::Status closed = close_files();
  if (!closed.ok()) core_.alarm(fmt::format("stopped without saving everything: {}", message_of(closed)));
  end_threads();
  core_.directory.reset();  // Unlocks.
  return closed;
}

absl::Status StorageImpl::close_files() {
  if (absl::Status quiet = core_.journal->pause(); !quiet.ok()) {
    if (const auto closing = core_.journal->stop(); !closing.ok()) return closing.status();
    return quiet;
  }
  // Nothing is numbered any more, so this snapshot is of everything.
  const Revision last_revision = core_.journal->applied();
  absl::Status taken;
  if (core_.settings().mode == Mode::kSnapshot && last_revision != snapshots_->figures().changes_counted_from) {
    taken = snapshots_->take_last();
  }
  const auto closing = core_.journal->stop();
  if (!closing.ok()) return closing.status();
  if (!taken.ok()) return taken;
  const absl::Status marked = core_.keeper->update([&](Manifest& manifest) {
    drop_void_record(manifest);
    manifest.clean = true;
    manifest.last_revision = last_revision;
    manifest.next_segment = std::max(manifest.next_segment, closing->next_number);
    if (closing->unused_last != 0) manifest.segments.drop_from(closing->unused_first);
    if (closing->end.number != 0 && manifest.segments.contains(closing->end.number)) {
      manifest.used[closing->end.number] = closing->end.used;
    }
  });
  if (!marked.ok()) return marked;
  if (closing->unused_last != 0) core_.remove_segments(closing->unused_first, closing->unused_last);
  return absl::OkStatus();
}

}  // namespace kv
