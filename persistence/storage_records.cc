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

constexpr std::size_t kVoidChangesMax = 64;

bool stands(const std::optional<SwitchRecord>& record) { return record && record->phase != SwitchPhase::kFailed; }

}  // namespace

// A switch that waits for other jobs: it would be on record only when it begins. Where one is there already it is its
// own: it has begun meanwhile, or the switch before it has left it.
void StorageImpl::record_waiting() {
  if (!core_.journal->failure().ok()) return;  // It will be refused, and nothing is written any more.
  std::optional<SwitchRecord> record;
  const absl::Status recorded = core_.keeper->update([&](Manifest& manifest) {
    std::lock_guard lock(mutex_);
    if (!running_ || !running_->is_switch || running_->recorded || running_->over) return;
    if (stands(manifest.mode_switch) && !is_void(manifest.mode_switch->change)) return;
    const std::uint64_t expected = running_->expected_version;
    if (expected != 0 && expected != config_version(manifest.settings)) return;  // It will be refused.
    forget_switch(manifest);
    record = record_of_next(manifest.mode, running_->texts);
    manifest.mode_switch = record;
    running_->written = true;
  });
  if (!recorded.ok()) return core_.warn(fmt::format("the next change is not recorded: {}", message_of(recorded)));
  if (!record) return;
  std::vector<Done> told;
  {
    std::lock_guard lock(mutex_);
    // It may have begun, or ended, since.
    if (!running_ || running_->over || running_->recorded || running_->texts != record->change) return;
    told = now_recorded(record->from, record->to);
  }
  for (const Done& each : told) each(absl::OkStatus());
}

// The switch before it may be over, in MANIFEST, and not yet here.
void StorageImpl::record_next() {
  std::optional<SettingTexts> written;
  if (!core_.journal->failure().ok()) return;
  {
    std::lock_guard lock(mutex_);
    if (!next_) return;
  }
  const absl::Status recorded = core_.keeper->update([&](Manifest& manifest) {
    std::lock_guard lock(mutex_);
    if (!next_) return;  // It runs now, and records itself.
    written = next_->texts;
    next_->written = true;
    if (stands(manifest.mode_switch) && !is_void(manifest.mode_switch->change)) {
      manifest.mode_switch->next = written;
    } else {
      forget_switch(manifest);
      manifest.mode_switch = record_of_next(manifest.mode, *written);
    }
  });
  if (!recorded.ok()) return core_.warn(fmt::format("the next change is not recorded: {}", message_of(recorded)));
  if (!written) return;
  std::vector<Done> told;
  {
    std::lock_guard lock(mutex_);
    // It may run by now, or another one may have taken its place.
    Request* const request = next_ ? &*next_ : running_ ? &*running_ : nullptr;
    if (request == nullptr || request->over || request->recorded || request->texts != *written) return;
    told = told_when_recorded(*request);
  }
  for (const Done& each : told) each(absl::OkStatus());
}

absl::Status StorageImpl::replaced_by_later() {
  return error(Reason::kTransitionInProgress, "a later change replaced this one");
}

// With mutex_ held. One that may be on record is off it only when `by` has taken its place there.
void StorageImpl::displace_next(Request& by) {
  by.displaced = std::move(next_->displaced);
  std::vector<Done> callers = std::move(next_->done);
  std::move(next_->when_recorded.begin(), next_->when_recorded.end(), std::back_inserter(callers));
  if (!next_->written) return answer(std::move(callers), replaced_by_later());
  add_void(next_->texts);
  by.displaced.push_back({next_->texts, std::move(callers)});
}

// With mutex_ held. For OK: those who wait for this, and the callers of what it took the place of, who hear that.
std::vector<StorageImpl::Done> StorageImpl::told_when_recorded(Request& request) {
  request.recorded = true;
  void_changes_.erase(request.texts);  // One that says the same may have failed before.
  for (Displaced& change : std::exchange(request.displaced, {})) answer(std::move(change.callers), replaced_by_later());
  return std::exchange(request.when_recorded, {});
}

// Of a change that has just failed. Where a disk without space lets nothing be written, the record stands until it
// does.
void StorageImpl::take_off_record(const SettingTexts& failed) {
  {
    std::lock_guard lock(mutex_);
    add_void(failed);
  }
  if (!has_void_record()) return;
  core_.keeper->update([this](Manifest& manifest) { drop_void_record(manifest); }).IgnoreError();  // Tried again below.
}

// With each tick. What runs writes over the record, and may say the same; a snapshot that is being taken would be
// thrown away for a record that changes.
void StorageImpl::take_off_void_record() {
  if (jobs_->busy() || runs_something()) return;
  if (!has_void_record()) {
    std::lock_guard lock(mutex_);
    if (!running_) void_changes_.clear();  // Nothing was being written above, so none of them comes any more.
    return;
  }
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
    if (!in_force && !may_be_on_record(running_->texts)) return refused;
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

bool StorageImpl::may_be_on_record(const SettingTexts& change) const {
  if (core_.keeper->in_doubt()) return true;
  const std::shared_ptr<const Manifest> manifest = core_.keeper->get();
  const std::optional<SwitchRecord>& record = manifest->mode_switch;
  return stands(record) && (record->change == change || record->next == change);
}

// After a failed disk nothing is written.
bool StorageImpl::has_void_record() const {
  if (!core_.journal->failure().ok()) return false;
  const std::shared_ptr<const Manifest> manifest = core_.keeper->get();
  std::lock_guard lock(mutex_);
  const std::optional<SwitchRecord>& record = manifest->mode_switch;
  return stands(record) && (is_void(record->change) || (record->next && is_void(*record->next)));
}

void StorageImpl::drop_void_record(Manifest& manifest) {
  std::lock_guard lock(mutex_);
  if (!stands(manifest.mode_switch)) return;
  std::optional<SettingTexts>& next = manifest.mode_switch->next;
  if (next && is_void(*next)) next.reset();
  if (!is_void(manifest.mode_switch->change)) return;
  const std::optional<SettingTexts> left = std::move(next);
  forget_switch(manifest);
  if (left) manifest.mode_switch = record_of_next(manifest.mode, *left);
}

// With mutex_ held.
bool StorageImpl::is_void(const SettingTexts& change) const { return void_changes_.contains(change); }

// With mutex_ held. Those of long ago have been written over.
void StorageImpl::add_void(const SettingTexts& change) {
  if (void_changes_.size() >= kVoidChangesMax) {
    std::erase_if(void_changes_, [this](const SettingTexts& one) { return !may_be_on_record(one); });
  }
  void_changes_.insert(change);
}

bool StorageImpl::runs_something() const {
  std::lock_guard lock(mutex_);
  return running_.has_value();
}

}  // namespace kv
