#include "persistence/snapshot_publisher.h"

#include <algorithm>
#include <future>
#include <memory>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "persistence/format/snapshot_format.h"
#include "persistence/segment_writer.h"

namespace kv {

SnapshotPublisher::SnapshotPublisher(StorageCore& core, boost::asio::io_context& io)
    : core_(core),
      forker_(
          io, core.fs, core.clock, core.store, [&core] { return core.journal->applied(); }, forker_options()) {}

SnapshotForkerOptions SnapshotPublisher::forker_options() {
  SnapshotForkerOptions options;
  options.on_progress = [this](const SnapshotProgress& progress) { keys_written_ = progress.entries; };
  options.warn = [this](const std::string& text) { core_.warn(text); };
  return options;
}

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
  SnapshotFault fault = SnapshotFault::kNone;
  const absl::Status status = try_take(change, fault);
  std::lock_guard lock(mutex_);
  figures_.last_attempt = core_.clock.monotonic();
  // One that was ended on purpose is neither.
  if (status.code() == absl::StatusCode::kCancelled) return status;
  ++(status.ok() ? figures_.taken : figures_.failures[static_cast<std::size_t>(fault)]);
  figures_.last_failed = !status.ok();
  if (!status.ok()) core_.alarm(fmt::format("snapshot failed ({}): {}", word(fault), message_of(status)));
  return status;
}

absl::Status SnapshotPublisher::take_last() {
  last_ = true;
  return take();
}

SnapshotPublisher::Purpose SnapshotPublisher::purpose_in(const Manifest& manifest) {
  Purpose purpose{manifest.mode, std::nullopt};
  // One that failed stays on record until the next change of settings, and means nothing here.
  if (manifest.mode_switch && manifest.mode_switch->phase != SwitchPhase::kFailed) {
    purpose.switching_to = manifest.mode_switch->to;
  }
  return purpose;
}

// `fault` is told of a status that is not OK.
absl::Status SnapshotPublisher::try_take(const Change& change, SnapshotFault& fault) {
  fault = SnapshotFault::kPrepare;
  if (absl::Status failed = core_.journal->failure(); !failed.ok()) return failed;
  if (core_.switch_waits && !last_) return absl::CancelledError("a switch of modes waits for its turn");
  const Purpose purpose = purpose_in(*core_.keeper->get());
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
  {
    std::lock_guard lock(mutex_);
    if (outcome.pause.count() > 0) figures_.last_pause = outcome.pause;
    if (outcome.copied_bytes) figures_.last_copied_bytes = outcome.copied_bytes;
  }
  fault = outcome.fault;
  if (!outcome.status.ok()) return outcome.status;
  fault = SnapshotFault::kPublish;
  if (absl::Status published = publish(outcome, purpose, change); !published.ok()) return published;
  warn_if_slow(outcome);
  std::lock_guard lock(mutex_);
  figures_.last_duration = outcome.duration;
  figures_.last_time = core_.clock.now();
  figures_.last_success = core_.clock.monotonic();
  figures_.cut = figures_.changes_counted_from = outcome.info.cut();
  figures_.log_bytes_before = written_before;
  log_bytes_at_start_ = 0;
  return absl::OkStatus();
}

SnapshotOutcome SnapshotPublisher::write_file(std::uint64_t number) {
  SnapshotOrder order{number, core_.keeper->get()->store_id, core_.directory->snapshots_path()};
  // A stop, or a switch, may have cancelled what there was to cancel before this one was there.
  order.unwanted = [this] { return !last_ && (core_.stopping || core_.switch_waits); };
  const auto outcome = std::make_shared<std::promise<SnapshotOutcome>>();
  const absl::Status begun =
      forker_.begin(order, [outcome](SnapshotOutcome result) { outcome->set_value(std::move(result)); });
  if (begun.ok()) return outcome->get_future().get();
  SnapshotOutcome refused;
  refused.fault = SnapshotFault::kPrepare;
  refused.status = begun;
  return refused;
}

absl::Status SnapshotPublisher::drop(const std::string& path, absl::Status why) {
  core_.fs.remove(path).IgnoreError();  // Else it is swept at the next start.
  return why;
}

// Only SNAPSHOT takes one while it stops; whoever stops the process may not wait longer than that.
void SnapshotPublisher::warn_if_slow(const SnapshotOutcome& outcome) const {
  const std::chrono::milliseconds patience = core_.options.stop_timeout;
  if (core_.settings().mode != Mode::kSnapshot || patience.count() == 0 || outcome.duration <= patience) return;
  core_.warn(fmt::format(
      "the last snapshot took {} ms, longer than --stop-timeout ({} ms): a stop, which takes one more, may be "
      "ended before it is done",
      outcome.duration.count(), patience.count()));
}

absl::Status SnapshotPublisher::publish(const SnapshotOutcome& outcome, const Purpose& purpose, const Change& change) {
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
    return drop(outcome.temporary_path, synced);
  }
  const Purpose now = purpose_in(*core_.keeper->get());
  // A stop has no switch beside it: what is accepted meanwhile begins at the next start, and this is what that loads.
  if (last_ ? now.mode != purpose.mode : now != purpose) {
    return drop(outcome.temporary_path, absl::CancelledError("a switch of modes was accepted meanwhile"));
  }
  // 2. Its name is durable.
  const std::string path = core_.directory->snapshot_path(record.number);
  if (absl::Status renamed = core_.fs.rename(outcome.temporary_path, path); !renamed.ok()) {
    return drop(outcome.temporary_path, renamed);
  }
  if (absl::Status synced = sync_names(core_.fs, core_.directory->snapshots_path()); !synced.ok()) {
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
    return core_.keeper->failure().ok() ? drop(path, named) : named;
  }
  // 4. Only now something may go.
  core_.retire(retired);
  core_.info(fmt::format("snapshot {} at revision {}: {} keys, {} bytes, {} ms, writers paused {} us, {} bytes copied",
                         record.number, record.cut, record.keys, record.bytes, outcome.duration.count(),
                         outcome.pause.count(), outcome.copied_bytes.value_or(0)));
  return absl::OkStatus();
}

}  // namespace kv
