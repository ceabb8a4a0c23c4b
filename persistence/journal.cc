#include "persistence/journal.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"
#include "persistence/journal_core.h"

namespace kv {

Ticket::Ticket(Ticket&& other) noexcept { *this = std::move(other); }

Ticket& Ticket::operator=(Ticket&& other) noexcept {
  if (this == &other) return *this;
  if (journal_ != nullptr) journal_->give_back(*this);
  journal_ = std::exchange(other.journal_, nullptr);
  record_bytes_ = other.record_bytes_;
  space_bytes_ = other.space_bytes_;
  records_ = other.records_;
  queued_ = other.queued_;
  logging_ = other.logging_;
  log_promised_ = other.log_promised_;
  default_level_ = other.default_level_;
  return *this;
}

Ticket::~Ticket() {
  if (journal_ != nullptr) journal_->give_back(*this);
}

absl::Status Ticket::check_level(Level level) const { return JournalCore::level_given(level, logging_, log_promised_); }

bool Ticket::holds(std::span<const Mutation> mutations, bool request) const noexcept {
  const RequestBlock any;
  return record_bytes_of(mutations, request ? &any : nullptr) <= record_bytes_;
}

Admission::Admission(JournalCore& journal, std::uint32_t record_bytes, std::uint32_t records, Scheduler& home) noexcept
    : journal_(journal), home_(home), record_bytes_(record_bytes), records_(records) {}

bool Admission::await_ready() noexcept { return journal_.admit_fast(*this); }

bool Admission::await_suspend(std::coroutine_handle<> waiter) noexcept {
  waiter_ = waiter;
  waited_.begin();
  if (!journal_.admit_now(*this)) return true;  // Another thread may have resumed the waiter already.
  waited_.none();
  return false;
}

absl::StatusOr<Ticket> Admission::await_resume() {
  waited_.end();
  if (!refused_.ok()) return std::move(refused_);
  return std::move(ticket_);
}

void Admission::complete(bool) noexcept { waiter_.resume(); }

bool LevelWait::await_ready() noexcept { return journal_.level_reached(*this); }

bool LevelWait::await_suspend(std::coroutine_handle<> waiter) noexcept {
  waiter_ = waiter;
  waited_.begin();
  if (journal_.join(*this)) return true;  // It may be gone.
  waited_.none();
  return false;
}

void LevelWait::complete(bool) noexcept { waiter_.resume(); }

Journal::Journal(FileSystem& fs, Clock& clock, LogKeeper& keeper, JournalOptions options)
    : core_(std::make_unique<JournalCore>(fs, clock, keeper, std::move(options))) {}
Journal::~Journal() = default;

Admission Journal::admit(std::size_t record_bytes, Scheduler& home, std::uint32_t records) noexcept {
  const auto bytes = std::min<std::size_t>(record_bytes, std::numeric_limits<std::uint32_t>::max());
  return {*core_, static_cast<std::uint32_t>(bytes), records, home};
}

Revision Journal::append(Ticket& ticket, std::span<const Mutation> mutations, const RequestBlock* request) noexcept {
  return core_->append(ticket, mutations, request);
}

LevelWait Journal::wait_written(Revision revision, Level level, Scheduler& home) noexcept {
  return {*core_, revision, level, LevelWait::Who::kWriter, home};
}
LevelWait Journal::wait_readable(Revision revision, Scheduler& home) noexcept {
  return {*core_, revision, Level::kDisk, LevelWait::Who::kReader, home};
}

LevelWait Journal::wait_reached(Revision revision, Level level, Scheduler& home) noexcept {
  return {*core_, revision, level, LevelWait::Who::kReader, home};
}
void Journal::leave(LevelWait& wait) noexcept { core_->leave(wait); }
absl::Status Journal::check_level(Level level) const { return core_->check_level(level); }

Level Journal::default_level() const noexcept { return core_->default_level(); }
Revision Journal::applied() const noexcept { return core_->applied(); }
Revision Journal::durable() const noexcept { return core_->watermarks().durable(); }
Watermarks Journal::watermarks() const noexcept { return core_->promised_watermarks(); }
bool Journal::accepting_writes() const noexcept { return core_->accepting_writes(); }
absl::Status Journal::failure() const { return core_->failure(); }
JournalFigures Journal::figures() const noexcept { return core_->figures(); }

void Journal::start(Revision last_revision, Revision ceiling) { core_->start(last_revision, ceiling); }
absl::Status Journal::pause() { return core_->pause(); }
void Journal::resume() { core_->resume(); }
void Journal::fail(const absl::Status& why) { core_->fail(why); }
absl::Status Journal::open_log(const LogOpening& opening) { return core_->open_log(opening); }
absl::StatusOr<LogClosing> Journal::close_log() { return core_->close_log(); }
void Journal::set_promised(bool promised) { core_->set_promised(promised); }
void Journal::set_settings(const LogSettings& settings) { core_->set_settings(settings); }
void Journal::refuse_writes(bool refuse) { core_->refuse_writes(refuse); }
void Journal::give_up_on_full_disk() noexcept { core_->strand().give_up_on_full_disk(); }
absl::Status Journal::sync_through(Revision revision) { return core_->sync_through(revision); }
std::vector<ClosedSegment> Journal::closed_segments() const { return core_->strand().closed_segments(); }
void Journal::forget_segments(std::uint64_t number) { core_->strand().forget_segments(number); }
void Journal::abandon_waiters() { core_->abandon(); }
absl::StatusOr<LogClosing> Journal::stop() { return core_->stop(); }

}  // namespace kv
