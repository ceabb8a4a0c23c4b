#include "persistence/snapshot_publisher.h"

#include <algorithm>
#include <future>
#include <memory>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "persistence/format/snapshot_format.h"

namespace kv {

SnapshotPublisher::SnapshotPublisher(StorageCore& core, boost::asio::io_context& io)
    : core_(core),
      forker_(io, core.fs, core.clock, core.store, [&core] { return core.journal->applied(); },
              {.on_progress = [this](const SnapshotProgress& progress) { keys_written_ = progress.entries; }}) {}

void SnapshotPublisher::begin(Revision cut, Revision changes_counted_from, std::uint64_t log_bytes_above,
                              std::uint64_t next_number) {
  std::lock_guard lock(mutex_);
  figures_.cut = cut;
  figures_.changes_counted_from = changes_counted_from;
  figures_.last_attempt = figures_.last_success = core_.clock.monotonic();
  log_bytes_at_start_ = log_bytes_above;
  next_number_ = next_number;
}

SnapshotFigures SnapshotPublisher::figures() const {
  std::lock_guard lock(mutex_);
  return figures_;
}

std::uint64_t SnapshotPublisher::log_bytes_since() const {
  const std::uint64_t written = core_.journal->figures().bytes_written;
  std::lock_guard lock(mutex_);
  return log_bytes_at_start_ + written - figures_.log_bytes_before;
}

double SnapshotPublisher::progress() const noexcept {
  const std::uint64_t expected = keys_expected_;
  // Keys may have been added between counting and forking.
  return expected == 0 ? 0 : std::min(1.0, static_cast<double>(keys_written_) / static_cast<double>(expected));
}

absl::Status SnapshotPublisher::take() {
  return take([this](Manifest& manifest, const SnapshotRecord& snapshot, Retired& retired) {
    manifest.snapshots.push_back(snapshot);
    retired = apply_retention(manifest, core_.settings(), core_.closed_segments());
  });
}

absl::Status SnapshotPublisher::take(const Change& change) {
  const absl::Status status = try_take(change);
  std::lock_guard lock(mutex_);
  figures_.last_attempt = core_.clock.monotonic();
  // One that was ended on purpose is neither.
  if (status.code() == absl::StatusCode::kCancelled) return status;
  ++(status.ok() ? figures_.taken : figures_.failed);
  figures_.last_failed = !status.ok();
  if (!status.ok()) core_.alarm(fmt::format("snapshot failed: {}", message_of(status)));
  return status;
}

absl::Status SnapshotPublisher::try_take(const Change& change) {
  if (absl::Status failed = core_.journal->failure(); !failed.ok()) return failed;
  // Sampled before the cut, so that what is counted as covered surely is.
  const std::uint64_t written_before = core_.journal->figures().bytes_written;
  std::uint64_t number;
  {
    std::lock_guard lock(mutex_);
    number = next_number_++;
  }
  keys_written_ = 0;
  keys_expected_ = core_.store.totals().keys;
  const SnapshotOutcome outcome = write_file(number);
  keys_expected_ = 0;
  if (!outcome.status.ok()) return outcome.status;
  if (absl::Status published = publish(outcome, change); !published.ok()) return published;
  std::lock_guard lock(mutex_);
  figures_.last_duration = outcome.duration;
  figures_.last_pause = outcome.pause;
  figures_.last_time = core_.clock.now();
  figures_.last_success = core_.clock.monotonic();
  figures_.cut = figures_.changes_counted_from = outcome.info.cut();
  figures_.log_bytes_before = written_before;
  log_bytes_at_start_ = 0;
  return absl::OkStatus();
}

SnapshotOutcome SnapshotPublisher::write_file(std::uint64_t number) {
  const SnapshotOrder order{number, core_.keeper->get()->store_id, core_.directory->snapshots_path()};
  const auto outcome = std::make_shared<std::promise<SnapshotOutcome>>();
  const absl::Status begun =
      forker_.begin(order, [outcome](SnapshotOutcome result) { outcome->set_value(std::move(result)); });
  if (begun.ok()) return outcome->get_future().get();
  SnapshotOutcome refused;
  refused.status = begun;
  return refused;
}

absl::Status SnapshotPublisher::publish(const SnapshotOutcome& outcome, const Change& change) {
  const snapshot_format::Footer& totals = outcome.info.footer;
  SnapshotRecord record;
  record.number = outcome.info.number();
  record.cut = outcome.info.cut();
  record.bytes = totals.file_bytes;
  record.digest = totals.digest;
  record.keys = totals.entries;
  record.created = outcome.info.header.created;

  // 1. The log reaches the cut on disk, whatever the policy.
  if (absl::Status synced = core_.journal->sync_through(record.cut); !synced.ok()) {
    core_.fs.remove(outcome.temporary_path).IgnoreError();  // Else it is swept at the next start.
    return synced;
  }
  // 2. Its name is durable.
  const std::string path = core_.directory->snapshot_path(record.number);
  if (absl::Status renamed = core_.fs.rename(outcome.temporary_path, path); !renamed.ok()) {
    core_.fs.remove(outcome.temporary_path).IgnoreError();
    return renamed;
  }
  if (absl::Status synced = core_.fs.sync_directory(core_.directory->snapshots_path()); !synced.ok()) {
    core_.journal->fail(synced);
    return synced;
  }
  // 3. It counts.
  Retired retired;
  const absl::Status named = core_.keeper->update([&](Manifest& manifest) {
    retired = {};
    manifest.next_snapshot = std::max(manifest.next_snapshot, record.number + 1);
    change(manifest, record, retired);
  });
  if (!named.ok()) {
    // Still the old MANIFEST, unless the failure was final: then nobody knows, and the file stays.
    if (core_.keeper->failure().ok()) core_.fs.remove(path).IgnoreError();
    return named;
  }
  // 4. Only now something may go.
  core_.retire(retired);
  core_.info(fmt::format("snapshot {} at revision {}: {} keys, {} bytes, {} ms, writers paused {} us", record.number,
                         record.cut, record.keys, record.bytes, outcome.duration.count(), outcome.pause.count()));
  return absl::OkStatus();
}

}  // namespace kv
