#include "persistence/storage_impl.h"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "persistence/mode_switch.h"
#include "persistence/setting_names.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

constexpr auto kTick = 200ms;
// A snapshot that failed is not tried again sooner, unless the interval is shorter.
constexpr auto kRetryAfter = 30s;

SettingTexts texts_of(const SettingsChange& change) {
  Settings values;
  SettingTexts texts;
  const auto add = [&](const std::string& name) { texts[name] = text_by_name(values, name); };
  if (change.mode) {
    values.mode = *change.mode;
    add("mode");
  }
  if (change.snapshot_interval) {
    values.snapshot_interval = *change.snapshot_interval;
    add("snapshot-interval");
  }
  if (change.max_snapshots) {
    values.max_snapshots = *change.max_snapshots;
    add("max-snapshots");
  }
  if (change.log_segment_bytes) {
    values.log_segment_bytes = *change.log_segment_bytes;
    add("log-segment-size");
  }
  return texts;
}

}  // namespace

StorageImpl::~StorageImpl() { end_threads(); }

void StorageImpl::end_threads() {
  core_.stopping = true;
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

void StorageImpl::snapshot_now(Done done) {
  const auto job = [this, done] {
    if (core_.settings().mode == Mode::kNonPersistent) {
      done(absl::FailedPreconditionError("there are no snapshots in NON_PERSISTENT mode"));
    } else {
      done(core_.stopping ? error(Reason::kShuttingDown, "the server is stopping") : snapshots_->take());
    }
  };
  if (!jobs_->post(job)) answer({done}, error(Reason::kShuttingDown, "the server is stopping"));
}

// ---- Changes of settings ----------------------------------------------------------------------------------------

Settings StorageImpl::changed(const SettingTexts& texts) const {
  Settings settings = core_.settings();
  // Names and texts come from texts_of() or from a MANIFEST that such texts were written to.
  for (const auto& [name, text] : texts) set_by_name(settings, name, text).IgnoreError();
  return settings;
}

void StorageImpl::change_settings(SettingsChange change, Done done) {
  Request request{texts_of(change), {std::move(done)}};
  if (absl::Status valid = validate(changed(request.texts)); !valid.ok()) {
    answer(std::move(request.done), valid);
  } else if (core_.stopping) {
    answer(std::move(request.done), error(Reason::kShuttingDown, "the server is stopping"));
  } else {
    enqueue(std::move(request));
  }
}

void StorageImpl::enqueue(Request request) {
  std::lock_guard lock(mutex_);
  if (!running_) {
    running_ = std::move(request);
    start(*running_);
    return;
  }
  const auto join = [&](Request& other) {
    for (Done& done : request.done) other.done.push_back(std::move(done));
  };
  if (!next_ && running_->texts == request.texts) return join(*running_);
  if (next_ && next_->texts == request.texts) return join(*next_);
  if (next_) answer(std::move(next_->done), error(Reason::kTransitionInProgress, "a later change replaced this one"));
  next_ = std::move(request);
  boost::asio::post(io_, [this] { record_next(); });
}

// With mutex_ held.
void StorageImpl::start(const Request& request) {
  const Mode wanted = changed(request.texts).mode;
  if (wanted == core_.settings().mode) {
    boost::asio::post(io_, [this, texts = request.texts] { change_in_place(texts); });
    return;
  }
  switching_to_ = wanted;
  snapshots_->cancel();  // The switch does not wait for a snapshot that it makes superfluous.
  const bool posted = jobs_->post([this, texts = request.texts] { switch_mode(texts); });
  if (!posted) {
    boost::asio::post(io_, [this] { finish_request(error(Reason::kShuttingDown, "the server is stopping")); });
  }
}

void StorageImpl::change_in_place(const SettingTexts& texts) {
  const Settings target = changed(texts);
  const std::shared_ptr<const Manifest> manifest = core_.keeper->get();
  absl::Status status;
  if (target != core_.settings() || manifest->mode_switch) {
    status = core_.keeper->update([&](Manifest& next) {
      next.mode_switch.reset();
      for (const auto& [name, text] : texts) {
        if (next.settings[name].value != text) set_at_run_time(next.settings, name, text);
      }
    });
    if (status.ok()) core_.adopt(target);
  }
  finish_request(status);
}

void StorageImpl::switch_mode(const SettingTexts& texts) {
  if (core_.stopping) return finish_request(error(Reason::kShuttingDown, "the server is stopping"));
  const auto tell = [this](SwitchPhase phase) {
    std::lock_guard lock(mutex_);
    phase_ = phase;
  };
  finish_request(ModeSwitch(core_, *snapshots_, changed(texts), texts, tell).run());
}

void StorageImpl::finish_request(const absl::Status& status) {
  std::vector<Done> done;
  {
    std::lock_guard lock(mutex_);
    done = std::move(running_->done);
    running_.reset();
    if (next_) {
      running_ = std::move(next_);
      next_.reset();
      start(*running_);
    }
  }
  for (const Done& each : done) each(status);
}

void StorageImpl::answer(std::vector<Done> done, const absl::Status& status) {
  boost::asio::post(io_, [done = std::move(done), status] {
    for (const Done& each : done) each(status);
  });
}

// So that a crash does not forget what was answered as accepted.
void StorageImpl::record_next() {
  std::optional<SettingTexts> texts;
  {
    std::lock_guard lock(mutex_);
    if (next_) texts = next_->texts;
  }
  if (!texts) return;
  const absl::Status recorded = core_.keeper->update([&](Manifest& manifest) {
    if (manifest.mode_switch) manifest.mode_switch->next = texts;
  });
  if (!recorded.ok()) core_.warn(fmt::format("the next change is not recorded: {}", message_of(recorded)));
}

// ---- Status and stop --------------------------------------------------------------------------------------------

StorageStatus StorageImpl::status() const {
  StorageStatus status;
  status.settings = core_.settings();
  {
    std::lock_guard lock(mutex_);
    status.phase = phase_;
    status.switching_to = switching_to_;
  }
  const std::shared_ptr<const Manifest> manifest = core_.keeper->get();
  if (!manifest->snapshots.empty()) status.snapshot_revision = manifest->snapshots.back().cut;
  if (status.settings.mode == Mode::kHybrid) status.fallback_snapshots = tied_snapshots(*manifest);
  status.watermarks = core_.journal->watermarks();
  status.accepting_writes = core_.journal->accepting_writes();

  const SnapshotFigures snapshots = snapshots_->figures();
  status.snapshots_taken = snapshots.taken;
  status.snapshots_failed = snapshots.failed;
  status.last_snapshot_duration = snapshots.last_duration;
  status.last_snapshot_time = snapshots.last_time;
  const JournalFigures log = core_.journal->figures();
  status.fsyncs = log.fsyncs;
  status.batches = log.batches;
  status.log_bytes = log.log_bytes;

  const bool failed = !core_.journal->failure().ok();
  const bool by_interval = status.settings.mode == Mode::kSnapshot || status.settings.mode == Mode::kHybrid;
  const bool overdue = by_interval && snapshots.last_failed &&
                       core_.clock.monotonic() - snapshots.last_success > 2 * status.settings.snapshot_interval;
  status.promise_kept = !failed && !overdue;
  if (failed) status.alarms.emplace_back("disk_failed");
  if (!failed && !status.accepting_writes) status.alarms.emplace_back("disk_full");
  if (snapshots.last_failed) status.alarms.emplace_back("snapshot_failed");
  if (overdue) status.alarms.emplace_back("snapshot_overdue");
  return status;
}

absl::Status StorageImpl::stop() {
  core_.stopping = true;
  snapshots_->cancel();
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
    taken = snapshots_->take();
  }
  const auto closing = core_.journal->stop();
  if (!closing.ok()) return closing.status();
  if (!taken.ok()) return taken;
  const absl::Status marked = core_.keeper->update([&](Manifest& manifest) {
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
