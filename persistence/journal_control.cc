// The half of the journal that Storage drives: start, pause, open, close, stop. Each call may block.
#include <algorithm>

#include "persistence/journal_core.h"

namespace kv {
namespace {

constexpr std::uint64_t kSegmentBytesMin = 1 << 20;

}  // namespace

void JournalCore::start(Revision last_revision, Revision ceiling) {
  applied_ = last_revision;
  waiters_.begin(last_revision, last_revision);
  set_ceiling(ceiling);
}

absl::Status JournalCore::pause() {
  {
    std::unique_lock lock(mutex_);
    paused_ = true;
    update_gate();
    tickets_back_.wait(lock, [this] { return tickets_out() == 0; });
  }
  return logging_ ? sync_through(applied()) : failure();
}

void JournalCore::resume() {
  WakeLists woken;
  {
    std::lock_guard lock(mutex_);
    paused_ = false;
    admit_waiting(woken);
  }
  woken.post();
}

absl::Status JournalCore::sync_through(Revision revision) {
  if (!logging_) return failure();
  waiters_.want_durable(revision);
  hand_over_now();
  if (waiters_.durable() < revision) strand_.request_sync();
  if (absl::Status durable = waiters_.block_until_durable(revision); !durable.ok()) return durable;
  // What a snapshot covers is trimmed by the list of closed segments: those that this sync closed must be in it by now.
  strand_.tidy();
  return failure();
}

absl::Status JournalCore::open_log(const LogOpening& opening) {
  {
    std::lock_guard lock(mutex_);
    space_ = space_reserved_ = segment_room_ = 0;
    if (!opening.promised) marks_before_ = Watermarks{applied(), waiters_.os(), waiters_.durable()};
  }
  if (absl::Status prepared = supply_.open(opening.first_number, segment_bytes_); !prepared.ok()) {
    LogClosing unused;  // What was built is not for the next log: its owner removes the files.
    supply_.close(unused);
    discard_marks();
    return prepared;
  }
  waiters_.begin(applied(), applied());
  if (absl::Status opened = strand_.open(supply_.take(), opening.predecessor, applied()); !opened.ok()) {
    LogClosing unused;
    supply_.close(unused);
    discard_marks();
    return opened;
  }
  std::lock_guard lock(mutex_);
  logging_ = true;
  promised_ = opening.promised;
  update_level();
  update_gate();
  return absl::OkStatus();
}

absl::StatusOr<LogClosing> JournalCore::close_log() {
  LogClosing closing;
  if (!logging_) return closing;
  absl::StatusOr<SegmentEnd> end = strand_.close();
  supply_.close(closing);
  if (!end.ok()) {
    fail(end.status());
    return end.status();
  }
  closing.end = *end;
  discard_marks();
  std::lock_guard lock(mutex_);
  logging_ = false;
  promised_ = true;
  update_level();
  update_gate();
  return closing;
}

// A log that was never promised is thrown away: what it had reached does not count.
void JournalCore::discard_marks() noexcept {
  std::lock_guard lock(mutex_);
  if (!marks_before_) return;
  waiters_.begin(marks_before_->os, marks_before_->durable);
  marks_before_.reset();
}

void JournalCore::set_promised(bool promised) {
  std::lock_guard lock(mutex_);
  promised_ = promised;
  if (promised) marks_before_.reset();
  update_level();
}

void JournalCore::set_settings(const LogSettings& settings) {
  {
    std::lock_guard lock(mutex_);
    policy_ = settings.fsync;
    segment_bytes_ = std::max(settings.segment_bytes, kSegmentBytesMin);
    update_level();
  }
  supply_.set_segment_bytes(segment_bytes_);
  strand_.set_policy(settings.fsync, settings.fsync_interval);
}

void JournalCore::abandon() {
  WakeLists woken;
  {
    std::lock_guard lock(mutex_);
    abandoned_ = true;
    admit_waiting(woken);
  }
  woken.post();
  waiters_.abandon();
}

absl::StatusOr<LogClosing> JournalCore::stop() {
  strand_.give_up_on_full_disk();
  absl::Status quiet = pause();
  absl::StatusOr<LogClosing> closing = quiet.ok() ? close_log() : absl::StatusOr<LogClosing>(quiet);
  abandon();
  supply_.stop();
  strand_.stop();
  return closing;
}

}  // namespace kv
