// What MANIFEST remembers of changes that are accepted and not carried out yet: so that a crash forgets none that
// somebody was told of, and the next start carries out none that somebody was told has failed. Where the disk lets
// nothing be taken off, that is said: OUTCOME_UNKNOWN.
#include <utility>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "persistence/mode_switch.h"
#include "persistence/storage_impl.h"

namespace kv {
namespace {

bool stands(const std::optional<SwitchRecord>& record) { return record && record->phase != SwitchPhase::kFailed; }

bool names(const Manifest& manifest, std::uint64_t change) {
  const std::optional<SwitchRecord>& record = manifest.mode_switch;
  return stands(record) && (record->change_id == change || record->next_id == change);
}

}  // namespace

// A switch that waits for other jobs: it would be on record only when it begins. It may be there already: the switch
// before it has left it, or it has begun meanwhile.
void StorageImpl::record_waiting() {
  if (!core_.journal->failure().ok()) return;  // It will be refused, and nothing is written any more.
  std::optional<SwitchRecord> record;
  const absl::Status recorded = core_.keeper->update([&](Manifest& manifest) {
    std::lock_guard lock(mutex_);
    if (!running_ || !running_->is_switch || running_->recorded || running_->over) return;
    if (core_.stopping) return;  // It will be refused, and what a stop has ended is on record for the next start.
    if (stands(manifest.mode_switch) && manifest.mode_switch->change_id == running_->id) {
      record = manifest.mode_switch;
      return;
    }
    const std::uint64_t expected = running_->expected_version;
    if (expected != 0 && expected != config_version(manifest.settings)) return;  // It will be refused.
    forget_switch(manifest);
    record = record_of_next(manifest.mode, {running_->texts, running_->id});
    set_next(*record, written_next());
    manifest.mode_switch = record;
    running_->written = true;
  });
  if (!recorded.ok()) return core_.warn(fmt::format("the next change is not recorded: {}", message_of(recorded)));
  if (!record) return;
  std::vector<Done> told;
  {
    std::lock_guard lock(mutex_);
    // It may have begun, or ended, since.
    if (!running_ || running_->over || running_->recorded || running_->id != record->change_id) return;
    told = now_recorded(record->from, record->to);
  }
  for (const Done& each : told) each(absl::OkStatus());
}

// The switch before it may be over, in MANIFEST, and not yet here.
void StorageImpl::record_next() {
  std::optional<std::uint64_t> written;
  if (!core_.journal->failure().ok()) return;
  {
    std::lock_guard lock(mutex_);
    if (!next_) return;
  }
  const absl::Status recorded = core_.keeper->update([&](Manifest& manifest) {
    std::lock_guard lock(mutex_);
    if (!next_) return;  // It runs now, and records itself.
    written = next_->id;
    drop_void(manifest);
    if (!stands(manifest.mode_switch)) {
      forget_switch(manifest);
      manifest.mode_switch = record_of_next(manifest.mode, *written_next());
    } else if (manifest.mode_switch->change_id != *written) {  // Else the switch that is just ending has left it.
      set_next(*manifest.mode_switch, written_next());
    }
  });
  if (!recorded.ok()) return core_.warn(fmt::format("the next change is not recorded: {}", message_of(recorded)));
  if (!written) return;
  std::vector<Done> told;
  {
    std::lock_guard lock(mutex_);
    // It may run by now, or another one may have taken its place.
    Request* const request = next_ ? &*next_ : running_ ? &*running_ : nullptr;
    if (request == nullptr || request->over || request->recorded || request->id != *written) return;
    told = told_when_recorded(*request);
  }
  for (const Done& each : told) each(absl::OkStatus());
}

absl::Status StorageImpl::replaced_by_later() {
  return error(Reason::kTransitionInProgress, "a later change replaced this one");
}

// With mutex_ held, for the update of MANIFEST that asks.
std::optional<AcceptedChange> StorageImpl::written_next() {
  if (!next_) return std::nullopt;
  next_->written = true;
  return AcceptedChange{next_->texts, next_->id};
}

// With mutex_ held. What is accepted stays so until `by` has taken its place on record.
void StorageImpl::displace_next(Request& by) {
  by.displaced = std::move(next_->displaced);
  std::vector<Done> callers = std::move(next_->done);
  std::move(next_->when_recorded.begin(), next_->when_recorded.end(), std::back_inserter(callers));
  if (next_->written) void_changes_.insert(next_->id);
  by.displaced.push_back({next_->id, std::move(callers)});
}

// With mutex_ held. For OK: those who wait for this, and the callers of what it took the place of, who hear that.
std::vector<StorageImpl::Done> StorageImpl::told_when_recorded(Request& request) {
  request.recorded = true;
  for (Displaced& change : std::exchange(request.displaced, {})) answer(std::move(change.callers), replaced_by_later());
  return std::exchange(request.when_recorded, {});
}

// Of a change that has just failed. Where a disk without space lets nothing be written, the record stands until it
// does.
void StorageImpl::take_off_record(std::uint64_t failed) {
  {
    std::lock_guard lock(mutex_);
    // If it is not there by now it never will be: it is over, and no update is under way that began before.
    if (names(*core_.keeper->get(), failed)) void_changes_.insert(failed);
  }
  if (!has_void_record()) return;
  core_.keeper->update([this](Manifest& manifest) { drop_void_record(manifest); }).IgnoreError();  // Tried again below.
}

// With each tick. What runs writes over the record, and may say the same; a snapshot that is being taken would be
// thrown away for a record that changes.
void StorageImpl::take_off_void_record() {
  if (jobs_->busy() || runs_something() || !has_void_record()) return;
  const auto drop = [this](Manifest& manifest) {
    if (!runs_something()) drop_void_record(manifest);
  };
  core_.keeper->update(drop).IgnoreError();
}

// What cannot be taken off the record is carried out by the next start.
absl::Status StorageImpl::in_doubt_where_on_record(const absl::Status& refused) const {
  {
    std::lock_guard lock(mutex_);
    if (!running_->written) return refused;
    const bool in_force = running_->is_switch && core_.keeper->get()->mode == changed(running_->texts).mode;
    if (!in_force && !may_be_on_record(running_->id)) return refused;
  }
  return in_doubt(refused);
}

absl::Status StorageImpl::in_doubt(const absl::Status& refused) const {
  if (!core_.journal->failure().ok()) {
    return error(Reason::kOutcomeUnknown,
                 "the disk has failed; the change is on record, and the next start carries it out");
  }
  if (core_.stopping) {
    return error(Reason::kOutcomeUnknown,
                 "the server is stopping; the change is on record, and the next start carries it out");
  }
  return error(Reason::kOutcomeUnknown,
               fmt::format("{}; the change stays on record until that can be written, and a start before then carries "
                           "it out",
                           message_of(refused)));
}

bool StorageImpl::may_be_on_record(std::uint64_t change) const {
  return core_.keeper->in_doubt() || names(*core_.keeper->get(), change);
}

// After a failed disk nothing is written.
bool StorageImpl::has_void_record() const {
  if (!core_.journal->failure().ok()) return false;
  const std::shared_ptr<const Manifest> manifest = core_.keeper->get();
  std::lock_guard lock(mutex_);
  const std::optional<SwitchRecord>& record = manifest->mode_switch;
  return stands(record) && (is_void(record->change_id) || is_void(record->next_id));
}

void StorageImpl::drop_void_record(Manifest& manifest) {
  std::lock_guard lock(mutex_);
  drop_void(manifest);
}

// With mutex_ held, in an update of MANIFEST: no other is under way, so what it does not name nothing brings back.
void StorageImpl::drop_void(Manifest& manifest) {
  std::erase_if(void_changes_, [&](std::uint64_t change) { return !names(manifest, change); });
  if (!stands(manifest.mode_switch)) return;
  if (is_void(manifest.mode_switch->next_id)) set_next(*manifest.mode_switch, std::nullopt);
  if (!is_void(manifest.mode_switch->change_id)) return;
  const std::optional<AcceptedChange> left = take_next(*manifest.mode_switch);
  forget_switch(manifest);
  if (left) manifest.mode_switch = record_of_next(manifest.mode, *left);
}

// With mutex_ held.
bool StorageImpl::is_void(std::uint64_t change) const { return void_changes_.contains(change); }

// A change that takes effect beside others: its own record goes, and what is void.
void StorageImpl::leave_others_on_record(Manifest& manifest, std::uint64_t own) const {
  std::lock_guard lock(mutex_);
  std::optional<SwitchRecord> record = manifest.mode_switch;
  const auto goes = [&](std::uint64_t change) { return change == own || is_void(change); };
  if (stands(record) && !goes(record->change_id)) {
    if (goes(record->next_id)) set_next(*manifest.mode_switch, std::nullopt);
    return;
  }
  forget_switch(manifest);
  if (!stands(record) || !record->next || goes(record->next_id)) return;
  manifest.mode_switch = record_of_next(manifest.mode, *take_next(*record));
}

bool StorageImpl::runs_something() const {
  std::lock_guard lock(mutex_);
  return running_.has_value();
}

}  // namespace kv
