// What Storage is asked to do while it runs: changes of settings, one after the other, and snapshots.
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "persistence/format/snapshot_format.h"
#include "persistence/mode_switch.h"
#include "persistence/setting_names.h"
#include "persistence/storage_impl.h"
#include "persistence/store_id_text.h"

namespace kv {
namespace {

absl::Status stopping() { return error(Reason::kShuttingDown, "the server is stopping"); }

}  // namespace

// ---- Snapshots --------------------------------------------------------------------------------------------------

StoredSnapshot StorageImpl::stored(const SnapshotRecord& record) const {
  return {record, snapshot_format::file_name(record.number), record.number >= first_verified_};
}

std::vector<StoredSnapshot> StorageImpl::snapshots() const {
  std::vector<StoredSnapshot> list;
  for (const SnapshotRecord& record : core_.keeper->get()->snapshots) list.push_back(stored(record));
  return list;
}

// With a reason word for whoever asked.
absl::Status StorageImpl::explained(const absl::Status& failed) const {
  if (failed.ok() || !reason_of(failed).empty()) return failed;
  if (core_.stopping) return stopping();
  if (failed.code() == absl::StatusCode::kCancelled) {
    return error(Reason::kTransitionInProgress, "the snapshot was ended by a switch of modes");
  }
  const bool goes_on = core_.journal->failure().ok();
  if (goes_on && is_out_of_space(failed)) return error(Reason::kDiskLimit, message_of(failed));
  if (goes_on) return error(Reason::kInternal, message_of(failed));
  return error(Reason::kWritesSuspended,
               fmt::format("the disk failed ({}), nothing is written until a restart", message_of(failed)));
}

absl::Status StorageImpl::take_snapshot() { return core_.stopping ? stopping() : explained(snapshots_->take()); }

absl::StatusOr<StoredSnapshot> StorageImpl::take_asked_snapshot() {
  if (core_.settings().mode == Mode::kNonPersistent) {
    return error(Reason::kDurabilityUnavailable, "there are no snapshots in NON_PERSISTENT mode");
  }
  if (const absl::Status taken = take_snapshot(); !taken.ok()) return taken;
  return stored(core_.keeper->get()->snapshots.back());
}

absl::StatusOr<LogRewrite> StorageImpl::take_asked_rewrite() {
  const Mode mode = core_.settings().mode;
  if (!has_log(mode)) {
    return error(Reason::kDurabilityUnavailable, fmt::format("there is no log in {} mode", word(mode)));
  }
  LogRewrite rewrite;
  rewrite.bytes_before = core_.log_bytes();
  if (const absl::Status taken = take_snapshot(); !taken.ok()) return taken;
  rewrite.bytes_after = core_.log_bytes();
  return rewrite;
}

void StorageImpl::snapshot_now(std::function<void(absl::StatusOr<StoredSnapshot>)> done) {
  if (!asked_snapshot_.join(std::move(done))) return;
  const auto job = [this] { asked_snapshot_.run([this] { return take_asked_snapshot(); }); };
  if (jobs_->post(job)) return;
  boost::asio::post(io_, [this] { asked_snapshot_.run([] { return absl::StatusOr<StoredSnapshot>(stopping()); }); });
}

void StorageImpl::rewrite_log(std::function<void(absl::StatusOr<LogRewrite>)> done) {
  if (!asked_rewrite_.join(std::move(done))) return;
  const auto job = [this] { asked_rewrite_.run([this] { return take_asked_rewrite(); }); };
  if (jobs_->post(job)) return;
  boost::asio::post(io_, [this] { asked_rewrite_.run([] { return absl::StatusOr<LogRewrite>(stopping()); }); });
}

// ---- Changes of settings ----------------------------------------------------------------------------------------

SettingsInForce StorageImpl::settings_in_force() const {
  const std::shared_ptr<const Manifest> manifest = core_.keeper->get();
  SettingsInForce result;
  result.version = config_version(manifest->settings);
  for (const std::string& name : setting_names()) {
    const StoredSetting& setting = manifest->settings.at(name);
    set_by_name(result.settings, name, setting.value).IgnoreError();  // The start has read these texts already.
    result.origins[name] = setting.origin;
  }
  result.settings.mode = manifest->mode;
  return result;
}

std::string StorageImpl::instance_id() const { return to_hex(core_.keeper->get()->store_id); }

Settings StorageImpl::changed(const SettingTexts& texts) const {
  Settings settings = core_.settings();
  // Names and texts come from texts_of() or from a MANIFEST that such texts were written to.
  for (const auto& [name, text] : texts) set_by_name(settings, name, text).IgnoreError();
  return settings;
}

absl::Status StorageImpl::check_version(std::uint64_t expected) const {
  const std::uint64_t version = config_version(core_.keeper->get()->settings);
  if (expected == 0 || expected == version) return absl::OkStatus();
  return error(Reason::kConfigVersionMismatch, fmt::format("the settings are at version {}, not {}", version, expected),
               {{"config_version", std::to_string(version)}});
}

void StorageImpl::change_settings(SettingsChange change, ChangeOptions options, Done done) {
  Request request;
  request.texts = texts_of(change);
  request.snapshot_first = options.snapshot_first;
  request.expected_version = options.expected_version;
  const bool early = options.answer == ChangeOptions::Answer::kRecorded;
  (early ? request.when_recorded : request.done).push_back(std::move(done));
  if (options.on_record) request.when_recorded.push_back(std::move(options.on_record));
  absl::Status refused = validate(changed(request.texts));
  if (refused.ok() && core_.stopping) refused = stopping();
  if (refused.ok()) refused = enqueue(request, options.queue_behind_switch);
  if (refused.ok()) return;
  answer(std::move(request.done), refused);
  answer(std::move(request.when_recorded), refused);
}

// OK: it runs, or waits for its turn, or has joined one that says the same. Else `request` is as it was.
absl::Status StorageImpl::enqueue(Request& request, bool queue_behind_switch) {
  std::lock_guard lock(mutex_);
  const auto join = [&](Request& other) {
    std::move(request.done.begin(), request.done.end(), std::back_inserter(other.done));
    auto& early = other.recorded ? request.when_recorded : other.when_recorded;
    if (&early == &request.when_recorded) {
      answer(std::move(early), absl::OkStatus());
    } else {
      std::move(request.when_recorded.begin(), request.when_recorded.end(), std::back_inserter(early));
    }
    return absl::OkStatus();
  };
  if (running_ && !running_->over && !next_ && running_->same_as(request)) return join(*running_);
  if (next_ && next_->same_as(request)) return join(*next_);
  if (request.id == 0) request.id = ++last_id_;
  if (!running_) {
    if (absl::Status checked = check_version(request.expected_version); !checked.ok()) return checked;
    running_ = std::move(request);
    start(*running_);
    return absl::OkStatus();
  }
  if (!queue_behind_switch && (running_->is_switch || next_)) {
    return error(Reason::kTransitionInProgress, "another change is under way; ask again when it is in force");
  }
  if (next_) displace_next(request);
  next_ = std::move(request);
  boost::asio::post(io_, [this] { record_next(); });
  return absl::OkStatus();
}

// With mutex_ held.
void StorageImpl::start(Request& request) {
  const AcceptedChange change{request.texts, request.id};
  const Mode wanted = changed(request.texts).mode;
  request.is_switch = wanted != core_.settings().mode;
  if (!request.is_switch) {
    boost::asio::post(io_, [this, change, expected = request.expected_version] { change_in_place(change, expected); });
    return;
  }
  const bool waits = jobs_->busy();
  core_.switch_waits = true;  // It does not wait for snapshots that it makes superfluous, those in the queue neither.
  snapshots_->cancel();
  const bool posted =
      jobs_->post([this, change, expected = request.expected_version, snapshot_first = request.snapshot_first] {
        switch_mode(change, expected, snapshot_first);
      });
  if (!posted) {
    boost::asio::post(io_, [this] { finish_request(outcome(stopping())); });
  } else if (waits) {
    boost::asio::post(io_, [this] { record_waiting(); });
  }
}

void StorageImpl::change_in_place(const AcceptedChange& change, std::uint64_t expected_version) {
  const Settings target = changed(change.texts);
  const std::shared_ptr<const Manifest> manifest = core_.keeper->get();
  absl::Status status = core_.journal->failure();  // After which nothing is written.
  // It may be behind a switch that the next start goes on with.
  if (status.ok() && core_.stopping) status = stopping();
  if (status.ok()) status = check_version(expected_version);
  if (status.ok() && (target != core_.settings() || manifest->mode_switch)) {
    status = core_.keeper->update([&](Manifest& next) {
      {
        std::lock_guard lock(mutex_);
        running_->written = true;
      }
      leave_others_on_record(next, change.id);
      const std::map<std::string, StoredSetting> before = next.settings;
      for (const auto& [name, text] : change.texts) {
        if (next.settings[name].value != text) set_at_run_time(next.settings, name, text);
      }
      if (values_differ(before, next.settings)) raise_config_version(next.settings);
    });
    if (status.ok()) core_.adopt(target);
  }
  finish_request(outcome(status));
}

void StorageImpl::switch_mode(const AcceptedChange& change, std::uint64_t expected_version, bool snapshot_first) {
  core_.switch_waits = false;
  absl::Status status = core_.stopping ? stopping() : check_version(expected_version);
  if (!status.ok()) return finish_request(outcome(status));
  const Settings target = changed(change.texts);
  bool begun = false;
  const auto tell = [this, &begun, from = core_.settings().mode, to = target.mode](SwitchPhase phase) {
    begun = true;
    if (phase == SwitchPhase::kAccepted) {
      switch_recorded(from, to);
    } else {
      tell_phase(phase);
    }
  };
  const auto next = [this]() -> std::optional<AcceptedChange> {
    std::lock_guard lock(mutex_);
    running_->written = true;
    return written_next();
  };
  status = ModeSwitch(core_, *snapshots_, target, change, snapshot_first, tell, next).run();
  if (!status.ok()) {
    std::lock_guard lock(mutex_);
    // Before it was recorded, what there is to know is of an earlier switch.
    if (running_->recorded) switch_failure_ = std::string(message_of(status));
    if (running_->recorded && !begun && !core_.stopping) {
      phase_ = SwitchPhase::kFailed;
      switching_from_ = core_.settings().mode;
      switching_to_ = target.mode;
    }
  }
  if (!status.ok() && !begun) core_.warn(fmt::format("a switch could not begin: {}", message_of(status)));
  finish_request(outcome(status));
}

void StorageImpl::switch_recorded(Mode from, Mode to) {
  std::vector<Done> told;
  {
    std::lock_guard lock(mutex_);
    told = now_recorded(from, to);
  }
  for (const Done& each : told) each(absl::OkStatus());
}

// What runs, with mutex_ held; who is to be told.
std::vector<StorageImpl::Done> StorageImpl::now_recorded(Mode from, Mode to) {
  phase_ = SwitchPhase::kAccepted;
  switching_from_ = from;
  switching_to_ = to;
  switch_base_ = 0;
  switch_failure_.clear();
  return told_when_recorded(*running_);
}

void StorageImpl::tell_phase(SwitchPhase phase) {
  const std::shared_ptr<const Manifest> manifest = core_.keeper->get();
  std::lock_guard lock(mutex_);
  phase_ = phase;
  if (phase == SwitchPhase::kActive && !manifest->snapshots.empty()) switch_base_ = manifest->snapshots.back().cut;
}

// What the callers of the running change are told of its end: that it failed only where nothing brings it back.
absl::Status StorageImpl::outcome(const absl::Status& status) {
  if (status.ok()) return status;
  std::uint64_t id = 0;
  {
    std::lock_guard lock(mutex_);
    running_->over = true;
    id = running_->id;
  }
  if (id == kOfEarlierStart) {  // Nobody else hears of it.
    core_.warn(fmt::format("what was asked for before this start failed: {}", message_of(status)));
  }
  core_.keeper->await_update();  // It may be the one that records it.
  if (!core_.stopping) take_off_record(id);
  return in_doubt_where_on_record(explained(status));
}

void StorageImpl::finish_request(const absl::Status& status) {
  std::vector<Done> done;
  std::vector<Displaced> displaced;
  {
    std::lock_guard lock(mutex_);
    done = std::move(running_->done);
    std::move(running_->when_recorded.begin(), running_->when_recorded.end(), std::back_inserter(done));
    displaced = std::move(running_->displaced);
    running_.reset();
    if (next_) {
      running_ = std::move(next_);
      next_.reset();
      start(*running_);
    }
  }
  for (const Done& each : done) each(status);
  // Where this one was not recorded they still may be; or they failed with it, which took their place.
  for (const Displaced& change : displaced) {
    const absl::Status told = status.ok()                   ? replaced_by_later()
                              : may_be_on_record(change.id) ? in_doubt(replaced_by_later())
                                                            : status;
    for (const Done& each : change.callers) each(told);
  }
}

void StorageImpl::answer(std::vector<Done> done, const absl::Status& status) {
  boost::asio::post(io_, [done = std::move(done), status] {
    for (const Done& each : done) each(status);
  });
}

}  // namespace kv
