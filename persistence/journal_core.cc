#include "persistence/journal_core.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"

namespace kv {
namespace {

constexpr std::uint64_t kSegmentBytesMin = 1 << 20;
// What a batch adds to its payload at most.
constexpr std::uint64_t kBatchOverhead = kBatchHeaderBytes + kBatchAlignment;

absl::Status disk_full() { return error(Reason::kWritesSuspended, "the disk is full; writes resume when it is not"); }

JournalOptions checked(JournalOptions options) {
  options.record_bytes_max = std::min(options.record_bytes_max, kRecordBytesMax);
  options.queue_bytes = std::max(options.queue_bytes, options.record_bytes_max);
  options.batch_bytes = std::clamp<std::uint32_t>(options.batch_bytes, 1, kBatchPayloadBytesMax);
  return options;
}

}  // namespace

JournalCore::JournalCore(FileSystem& fs, Clock& clock, LogKeeper& keeper, JournalOptions options)
    : options_(checked(std::move(options))),
      policy_(options_.settings.fsync),
      segment_bytes_(std::max(options_.settings.segment_bytes, kSegmentBytesMin)),
      queue_(options_.queue_bytes),
      supply_(*this, fs, clock, keeper),
      strand_(*this, supply_, clock) {}

JournalCore::~JournalCore() {
  {
    std::lock_guard lock(mutex_);
    abandoned_ = true;
    gathered_.notify_all();
  }
  // The threads end before anything they use does.
  supply_.stop();
  strand_.stop();
}

// ---- Admission ----

bool JournalCore::admit_fast(Admission& admission) noexcept {
  if ((gate_.load(std::memory_order_relaxed) & kClosed) != 0) return false;
  if (admission.record_bytes_ > options_.record_bytes_max) return false;
  const std::uint64_t before = gate_.fetch_add(admission.records_);
  if ((before & kClosed) != 0 || !below_ceiling(before + admission.records_)) {
    release_gate(admission.records_);
    return false;
  }
  admission.ticket_.journal_ = this;
  admission.ticket_.record_bytes_ = admission.record_bytes_;
  admission.ticket_.records_ = admission.records_;
  return true;
}

bool JournalCore::admit_now(Admission& admission) noexcept {
  {
    std::lock_guard lock(mutex_);
    // First come, first served: behind others it waits even if there is room for it.
    const Verdict verdict = waiting_.empty() ? judge(admission) : refusal(admission);
    if (verdict != Verdict::kWait) return true;
    waiting_.push(admission);
    update_gate();
  }
  // It may wait for the room of what others have queued.
  hand_over_soon();
  return false;
}

JournalCore::Verdict JournalCore::refuse(Admission& admission, absl::Status why) noexcept {
  admission.refused_ = std::move(why);
  return Verdict::kRefused;
}

JournalCore::Verdict JournalCore::refuse_for_space(Admission& admission) noexcept {
  starved_ = true;
  return refuse(admission, disk_full());
}

JournalCore::Verdict JournalCore::refusal(Admission& admission) noexcept {
  if (failed()) return refuse(admission, suspended_);
  if (abandoned_) return refuse(admission, error(Reason::kShuttingDown, "the server stops"));
  if (admission.record_bytes_ <= options_.record_bytes_max) return Verdict::kWait;
  return refuse(admission,
                error(Reason::kEntryTooLarge, fmt::format("a log record holds at most {} bytes, this one needs {}",
                                                          options_.record_bytes_max, admission.record_bytes_)));
}

JournalCore::Verdict JournalCore::judge(Admission& admission) noexcept {
  if (refusal(admission) == Verdict::kRefused) return Verdict::kRefused;
  if (refusing_) return refuse(admission, disk_full());
  if (paused_ || delaying_) return Verdict::kWait;
  if (!below_ceiling(tickets_out() + admission.records_)) {
    want_ceiling(admission.records_);
    return supply_blocked_ ? refuse_for_space(admission) : Verdict::kWait;
  }
  return logging_ ? judge_log(admission) : grant(admission, 0);
}

JournalCore::Verdict JournalCore::judge_log(Admission& admission) noexcept {
  const std::uint32_t space_bytes = space_for(admission.record_bytes_, admission.records_);
  if (space_ < space_reserved_ + space_bytes) {
    // What is reserved comes back, but more than there is never will.
    if (space_ < space_bytes) supply_.request_space();
    return supply_blocked_ ? refuse_for_space(admission) : Verdict::kWait;
  }
  if (queue_.room_bytes() < queue_reserved_ + admission.record_bytes_) return Verdict::kWait;
  return grant(admission, space_bytes);
}

JournalCore::Verdict JournalCore::grant(Admission& admission, std::uint32_t space_bytes) noexcept {
  gate_.fetch_add(admission.records_);
  Ticket& ticket = admission.ticket_;
  ticket.journal_ = this;
  ticket.logging_ = logging_;
  ticket.log_promised_ = promised_;
  ticket.default_level_ = default_level_;
  ticket.record_bytes_ = admission.record_bytes_;
  ticket.records_ = admission.records_;
  if (logging_) {
    ticket.space_bytes_ = space_bytes;
    queue_reserved_ += admission.record_bytes_;
    space_reserved_ += space_bytes;
  }
  return Verdict::kGranted;
}

// Each record may come to lie in a batch of its own.
std::uint32_t JournalCore::space_for(std::uint32_t record_bytes, std::uint32_t records) const noexcept {
  if (records == 1) return static_cast<std::uint32_t>(2 * std::min(record_bytes + kBatchOverhead, segment_room_));
  return static_cast<std::uint32_t>(2 * (record_bytes + records * kBatchOverhead));
}

void JournalCore::admit_waiting(WakeLists& woken) {
  CompletionList all = std::move(waiting_);
  while (Completion* completion = all.pop()) {
    auto& admission = static_cast<Admission&>(*completion);
    if (judge(admission) == Verdict::kWait) {
      waiting_.push(admission);
      waiting_.append(std::move(all));
      break;
    }
    woken.push(admission.home_, admission);
  }
  update_gate();
}

void JournalCore::update_gate() noexcept {
  const bool open = !logging_ && !paused_ && !abandoned_ && !refusing_ && !failed() && waiting_.empty();
  if (open) {
    gate_.fetch_and(~kClosed);
  } else {
    gate_.fetch_or(kClosed);
  }
}

void JournalCore::release_gate(std::uint64_t records) noexcept {
  const std::uint64_t before = gate_.fetch_sub(records);
  if (before != (kClosed | records)) return;
  std::lock_guard lock(mutex_);
  tickets_back_.notify_all();
}

void JournalCore::give_back(Ticket& ticket) noexcept {
  ticket.journal_ = nullptr;
  if (ticket.logging_) {
    WakeLists woken;
    {
      std::lock_guard lock(mutex_);
      queue_reserved_ -= ticket.record_bytes_;
      space_reserved_ -= ticket.space_bytes_;
      admit_waiting(woken);
    }
    woken.post();
  }
  release_gate(ticket.records_);
}

void JournalCore::set_flag(bool& flag, bool value) {
  WakeLists woken;
  {
    std::lock_guard lock(mutex_);
    if (flag == value) return;
    flag = value;
    admit_waiting(woken);
  }
  woken.post();
}

void JournalCore::delay_writes(bool delay) { set_flag(delaying_, delay); }
void JournalCore::set_supply_blocked(bool blocked) {
  set_flag(supply_blocked_, blocked);
  if (!blocked) starved_ = false;  // after that nobody sets it
}
void JournalCore::refuse_writes(bool refuse) {
  refusing_ = refuse;
  WakeLists woken;
  {
    std::lock_guard lock(mutex_);
    admit_waiting(woken);
  }
  woken.post();
}

// ---- Revisions ----

bool JournalCore::below_ceiling(std::uint64_t tickets) const noexcept {
  // A ticket that appends meanwhile counts twice, never not at all.
  return applied_.load() + tickets <= ceiling_.load();
}

void JournalCore::want_ceiling(std::uint64_t records) noexcept {
  raise_at_ = std::numeric_limits<Revision>::max();
  supply_.request_ceiling(applied_ + tickets_out() + records);
}

void JournalCore::set_ceiling(Revision ceiling) {
  ceiling_ = ceiling;
  const Revision applied = applied_;
  raise_at_ = applied + (ceiling > applied ? (ceiling - applied) / 2 : 0);
  WakeLists woken;
  {
    std::lock_guard lock(mutex_);
    admit_waiting(woken);
  }
  woken.post();
}

Revision JournalCore::append(Ticket& ticket, std::span<const Mutation> mutations,
                             const RequestBlock* request) noexcept {
  assert(ticket.journal_ == this && ticket.records_ > 0);
  const bool last = --ticket.records_ == 0;
  if (last) ticket.journal_ = nullptr;
  if (!ticket.logging_) {
    const Revision revision = applied_.fetch_add(1) + 1;
    if (revision >= raise_at_.load(std::memory_order_relaxed)) want_ceiling(1);
    release_gate(1);
    return revision;
  }
  const auto bytes = static_cast<std::uint32_t>(record_bytes_of(mutations, request));
  // More than was admitted would be written past what is reserved: our own bug, and no way back from here.
  if (bytes > ticket.record_bytes_) std::terminate();
  // What the ticket's other records may need stays theirs; the last takes what is left.
  const std::uint32_t room_bytes = last ? ticket.record_bytes_ : bytes;
  const std::uint32_t space_bytes =
      last ? ticket.space_bytes_ : 2 * (bytes + static_cast<std::uint32_t>(kBatchOverhead));
  ticket.record_bytes_ -= room_bytes;
  ticket.space_bytes_ -= space_bytes;
  Revision revision;
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    revision = applied_.load(std::memory_order_relaxed) + 1;
    encode_record(revision, mutations, request, queue_.push(bytes, revision, space_bytes));
    if (!std::exchange(ticket.queued_, true)) ++queued_calls_;
    queue_reserved_ -= room_bytes;
    applied_.store(revision, std::memory_order_release);
    gate_.fetch_sub(1);
    if (paused_) tickets_back_.notify_all();
    if (revision >= raise_at_.load(std::memory_order_relaxed)) want_ceiling(1);
    if (!bunch_hands_over()) wake = hand_over();
  }
  records_.fetch_add(1, std::memory_order_relaxed);
  if (wake) strand_.wake();
  return revision;
}

// ---- Levels ----

bool JournalCore::level_reached(const LevelWait& wait) const noexcept {
  return !logging_.load(std::memory_order_acquire) || waiters_.reached(wait.revision_, wait.level_);
}

bool JournalCore::join(LevelWait& wait) noexcept {
  // `wait` may be gone once it has joined.
  const Revision revision = wait.revision_;
  const Level level = wait.level_;
  if (!waiters_.join(wait)) return false;
  if (waiters_.os() < revision) {
    hand_over_soon();  // A reader waits for a record of somebody else.
  } else if (level == Level::kDisk) {
    strand_.sync_beside_writes();
  }
  return true;
}

void JournalCore::update_level() noexcept {
  Level level = Level::kMemory;
  if (logging_ && promised_) level = policy_ == FsyncPolicy::kAlways ? Level::kDisk : Level::kOs;
  default_level_ = level;
}

absl::Status JournalCore::level_given(Level level, bool logging, bool promised) {
  if (level == Level::kMemory || (logging && promised)) return absl::OkStatus();
  return error(Reason::kDurabilityUnavailable,
               logging ? "the log is being opened and promises nothing yet" : "the current mode keeps no log");
}

absl::Status JournalCore::check_level(Level level) const {
  std::lock_guard lock(mutex_);
  return level_given(level, logging_, promised_);
}

Watermarks JournalCore::promised_watermarks() const noexcept {
  Watermarks marks;
  {
    std::lock_guard lock(mutex_);
    // The lowest first: each is then at most the next.
    marks.durable = marks_before_ ? marks_before_->durable : waiters_.durable();
    marks.os = marks_before_ ? marks_before_->os : waiters_.os();
  }
  marks.applied = applied();
  return marks;
}

// ---- The strand's side ----

void JournalCore::written(const BatchQueue::Taken& taken, std::uint64_t used_bytes) {
  WakeLists woken;
  {
    std::lock_guard lock(mutex_);
    space_reserved_ -= taken.space_bytes;
    space_ -= used_bytes;
    admit_waiting(woken);
  }
  woken.post();
}

bool JournalCore::take_spare_space(std::uint64_t bytes) noexcept {
  std::lock_guard lock(mutex_);
  if (space_ < space_reserved_ + bytes) return false;
  space_ -= bytes;
  return true;
}

void JournalCore::add_space(std::uint64_t bytes, std::uint64_t segment_room) {
  WakeLists woken;
  {
    std::lock_guard lock(mutex_);
    space_ += bytes;
    segment_room_ = std::max(segment_room_, segment_room);
    admit_waiting(woken);
  }
  woken.post();
}

// ---- State ----

bool JournalCore::accepting_writes() const noexcept { return !failed() && !refusing_ && !starved_; }

absl::Status JournalCore::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

JournalFigures JournalCore::figures() const noexcept {
  JournalFigures figures;
  figures.records = records_.load(std::memory_order_relaxed);
  strand_.add_figures(figures);
  std::lock_guard lock(mutex_);
  figures.queued_bytes = queue_.queued_bytes();
  return figures;
}

void JournalCore::fail(const absl::Status& why) {
  WakeLists woken;
  {
    std::lock_guard lock(mutex_);
    if (failed()) return;
    failure_ = for_good(why);
    suspended_ = error(Reason::kWritesSuspended,
                       fmt::format("the disk failed ({}); writes are refused until a restart", message_of(why)));
    failed_ = true;
    admit_waiting(woken);
  }
  waiters_.fail();
  woken.post();
  if (options_.on_failure) options_.on_failure(why);
}

}  // namespace kv
