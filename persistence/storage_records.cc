// What MANIFEST remembers of changes that are accepted and not carried out yet: so that a crash forgets none that
// somebody was told of, and the next start carries out none that somebody was told has failed. Where a failed disk lets
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
    if (!running_ || !running_->is_switch || running_->recorded) return;
    if (stands(manifest.mode_switch) && !is_void(manifest.mode_switch->change)) return;
    const std::uint64_t expected = running_->expected_version;
    if (expected != 0 && expected != config_version(manifest.settings)) return;  // It will be refused.
    forget_switch(manifest);
    record = record_of_next(manifest.mode, running_->texts);
    manifest.mode_switch = record;
  });
  if (!recorded.ok()) return core_.warn(fmt::format("the next change is not recorded: {}", message_of(recorded)));
  if (!record) return;
  std::vector<Done> told;
  {
    std::lock_guard lock(mutex_);
    // It may have begun, or ended, since.
    if (!running_ || !running_->is_switch || running_->recorded || running_->texts != record->change) return;
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
    if (request == nullptr || request->recorded || request->texts != *written) return;
    request->recorded = true;
    void_changes_.erase(*written);  // It counts again.
    told = std::exchange(request->when_recorded, {});
  }
  for (const Done& each : told) each(absl::OkStatus());
}

// The caller of a change that has just ended is told that it failed. Where a disk without space lets nothing be
// written, the record stands until it does.
void StorageImpl::take_off_record(const SettingTexts& failed) {
  {
    std::lock_guard lock(mutex_);
    if (void_changes_.size() < kVoidChangesMax) void_changes_.insert(failed);
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

// What was recorded before the disk failed stays so, since nothing is written after that: the next start carries it
// out.
absl::Status StorageImpl::in_doubt_where_on_record(const absl::Status& refused) const {
  if (refused.ok() || core_.journal->failure().ok()) return refused;
  std::lock_guard lock(mutex_);
  if (!running_->recorded) return refused;
  return error(Reason::kOutcomeUnknown,
               "the disk has failed; the change is on record, and the next start carries it out");
}

// After a failed disk nothing is written.
bool StorageImpl::has_void_record() {
  if (!core_.journal->failure().ok()) return false;
  const std::shared_ptr<const Manifest> manifest = core_.keeper->get();
  std::lock_guard lock(mutex_);
  const std::optional<SwitchRecord>& record = manifest->mode_switch;
  const bool found = stands(record) && (is_void(record->change) || (record->next && is_void(*record->next)));
  if (!found) void_changes_.clear();
  return found;
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

bool StorageImpl::runs_something() const {
  std::lock_guard lock(mutex_);
  return running_.has_value();
}

}  // namespace kv
