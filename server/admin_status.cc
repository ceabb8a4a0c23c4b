#include "server/admin_status.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace kv {
namespace {

namespace v1 = kvstore::v1;

// Millis of either sign, as seconds rounded down and nanoseconds from 0 up.
template <class Message>
Message split(std::int64_t millis) {
  Message message;
  const std::int64_t seconds = millis / 1000 - (millis % 1000 < 0 ? 1 : 0);
  message.set_seconds(seconds);
  message.set_nanos(static_cast<std::int32_t>((millis - seconds * 1000) * 1'000'000));
  return message;
}

v1::TransitionPhase to_phase(SwitchPhase phase) noexcept {
  switch (phase) {
    case SwitchPhase::kNone:
      return v1::TRANSITION_PHASE_UNSPECIFIED;
    case SwitchPhase::kAccepted:
      return v1::TRANSITION_PHASE_ACCEPTED;
    case SwitchPhase::kDual:
      return v1::TRANSITION_PHASE_DUAL;
    case SwitchPhase::kActive:
      return v1::TRANSITION_PHASE_ACTIVE;
    case SwitchPhase::kFailed:
      return v1::TRANSITION_PHASE_FAILED;
  }
  return v1::TRANSITION_PHASE_UNSPECIFIED;
}

std::string in_capitals(std::string word) {
  for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return word;
}

v1::SnapshotActivity activity_of(const StorageStatus& status) {
  v1::SnapshotActivity message;
  message.set_taken(status.snapshots_taken);
  message.set_failed(status.snapshots_failed);
  *message.mutable_last_duration() = to_message(status.last_snapshot_duration);
  const std::int64_t pause = status.last_snapshot_pause.count();
  message.mutable_last_pause()->set_seconds(pause / 1'000'000);
  message.mutable_last_pause()->set_nanos(static_cast<std::int32_t>(pause % 1'000'000 * 1000));
  message.set_last_copied_bytes(status.last_snapshot_copied_bytes.value_or(0));
  return message;
}

v1::RecoveryReport to_report(const RecoveryReport& report) {
  v1::RecoveryReport message;
  *message.mutable_duration() = to_message(report.duration);
  message.set_keys_loaded(report.keys_loaded);
  message.set_records_replayed(report.records_replayed);
  message.set_revision(report.revision);
  message.set_tail_bytes_discarded(report.tail_bytes_discarded);
  for (const std::string& file : report.files_skipped) message.add_files_skipped(file);
  message.set_clean_shutdown(report.clean_shutdown);
  return message;
}

}  // namespace

v1::PersistenceMode to_message(Mode mode) noexcept {
  switch (mode) {
    case Mode::kNonPersistent:
      return v1::PERSISTENCE_MODE_NON_PERSISTENT;
    case Mode::kSnapshot:
      return v1::PERSISTENCE_MODE_SNAPSHOT;
    case Mode::kAof:
      return v1::PERSISTENCE_MODE_AOF;
    case Mode::kHybrid:
      return v1::PERSISTENCE_MODE_HYBRID;
  }
  return v1::PERSISTENCE_MODE_UNSPECIFIED;
}

google::protobuf::Duration to_message(std::chrono::milliseconds duration) {
  return split<google::protobuf::Duration>(duration.count());
}
google::protobuf::Timestamp to_time_message(UnixMillis time) { return split<google::protobuf::Timestamp>(time); }

v1::ModeTransition transition_of(const StorageStatus& status) {
  v1::ModeTransition message;
  message.set_from(to_message(status.switching_from));
  message.set_to(to_message(status.switching_to));
  message.set_phase(to_phase(status.phase));
  message.set_base_revision(status.switch_base);
  message.set_progress(status.switch_progress);
  message.set_detail(status.switch_failure);
  return message;
}

v1::GetStatusResponse to_message(const StorageStatus& status, const RecoveryReport& recovery) {
  v1::GetStatusResponse message;
  message.set_revision(status.watermarks.applied);
  message.set_os_revision(status.watermarks.os);
  message.set_disk_revision(status.watermarks.durable);
  message.set_snapshot_revision(status.snapshot_revision);
  message.set_accepting_writes(status.accepting_writes);
  for (const std::string& alarm : status.alarms) message.add_alarms(in_capitals(alarm));
  if (status.phase != SwitchPhase::kNone) *message.mutable_transition() = transition_of(status);
  *message.mutable_last_recovery() = to_report(recovery);
  message.set_fallback_snapshots(status.fallback_snapshots);
  *message.mutable_snapshots() = activity_of(status);
  return message;
}

v1::SnapshotInfo to_message(const StoredSnapshot& snapshot) {
  const SnapshotRecord& record = snapshot.record;
  v1::SnapshotInfo message;
  message.set_name(snapshot.name);
  message.set_revision(record.cut);
  *message.mutable_create_time() = to_time_message(record.created);
  message.set_keys(record.keys);
  message.set_bytes(record.bytes);
  // In the order in which it is written as hexadecimal digits: the high half first, big-endian.
  std::string digest;
  for (const std::uint64_t half : {record.digest.high, record.digest.low}) {
    for (int shift = 56; shift >= 0; shift -= 8) digest += static_cast<char>(half >> shift & 0xff);
  }
  message.set_digest(digest);
  message.set_verified(snapshot.verified);
  return message;
}

}  // namespace kv
