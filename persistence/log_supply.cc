#include "persistence/log_supply.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "persistence/journal_core.h"

namespace kv {
namespace {

// A runway of about this much is kept ahead, in two to four segments.
constexpr std::uint64_t kRunwayBytes = 32 << 20;
constexpr std::size_t kGroupMin = 2;
constexpr std::size_t kGroupMax = 4;

std::uint64_t room_of(const SegmentWriter& segment) { return segment.capacity() - kSegmentHeaderBytes; }

}  // namespace

LogSupply::LogSupply(JournalCore& core, FileSystem& fs, Clock& clock, LogKeeper& keeper)
    : core_(core), fs_(fs), clock_(clock), keeper_(keeper), thread_([this] { run(); }) {}

LogSupply::~LogSupply() { stop(); }

void LogSupply::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LogSupply::request_ceiling(Revision needed) noexcept {
  {
    std::lock_guard lock(mutex_);
    if (ceiling_wanted_ && ceiling_needed_ >= needed) return;
    ceiling_wanted_ = true;
    ceiling_needed_ = std::max(ceiling_needed_, needed);
  }
  work_.notify_one();
}

void LogSupply::request_space() noexcept {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(space_wanted_, true)) return;
  }
  work_.notify_one();
}

absl::Status LogSupply::open(std::uint64_t first_number, std::uint64_t segment_bytes) {
  std::unique_lock lock(mutex_);
  next_number_ = first_number;
  segment_bytes_ = segment_bytes;
  open_ = opening_ = true;
  space_wanted_ = false;
  work_.notify_one();
  done_.wait(lock, [this] { return !opening_; });
  return opened_;
}

void LogSupply::set_segment_bytes(std::uint64_t segment_bytes) {
  std::lock_guard lock(mutex_);
  segment_bytes_ = segment_bytes;
}

std::unique_ptr<SegmentWriter> LogSupply::take() {
  std::lock_guard lock(mutex_);
  if (ready_.empty()) return nullptr;
  std::unique_ptr<SegmentWriter> next = std::move(ready_.front());
  ready_.pop_front();
  work_.notify_one();
  return next;
}

void LogSupply::close(LogClosing& closing) {
  std::unique_lock lock(mutex_);
  open_ = false;
  work_.notify_one();
  done_.wait(lock, [this] { return !working_; });
  // Built but not named: nobody knows them, they are the owner's to remove like the others.
  for (auto& segment : built_) ready_.push_back(std::move(segment));
  built_.clear();
  if (!ready_.empty()) {
    closing.unused_first = ready_.front()->number();
    closing.unused_last = ready_.back()->number();
  }
  closing.next_number = next_number_;
  ready_.clear();
}

std::size_t LogSupply::group_size() const noexcept {
  return std::clamp<std::size_t>(kRunwayBytes / std::max<std::uint64_t>(segment_bytes_, 1), kGroupMin, kGroupMax);
}

// Half a group is left or less, or what is left is not enough for somebody: a record may reserve twice the room of the
// largest segment there was, and those that are prepared now may be smaller.
bool LogSupply::group_wanted() const noexcept { return open_ && (space_wanted_ || ready_.size() * 2 <= group_size()); }

bool LogSupply::work_to_do() const noexcept { return ceiling_wanted_ || opening_ || group_wanted(); }

void LogSupply::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (blocked_) {
      work_.wait_for(lock, core_.options().retry_space_after, [this] { return stopping_ || opening_; });
    } else {
      work_.wait(lock, [this] { return stopping_ || work_to_do(); });
    }
    if (stopping_) break;
    absl::Status done = absl::OkStatus();
    if (ceiling_wanted_) done = raise_ceiling(lock);
    if (opening_ || (done.ok() && group_wanted())) done = prepare_group(lock);
    blocked_ = may_heal(done) && work_to_do();
    const bool blocked = blocked_;
    lock.unlock();
    core_.set_supply_blocked(blocked);
    if (!done.ok() && !may_heal(done)) core_.fail(done);
    lock.lock();
    if (core_.failed()) work_.wait(lock, [this] { return stopping_ || opening_; });
  }
  // Whoever is waiting for an opening gets an answer.
  if (opening_) {
    opening_ = false;
    opened_ = absl::CancelledError("the journal stops");
    done_.notify_all();
  }
}

absl::Status LogSupply::raise_ceiling(std::unique_lock<std::mutex>& lock) {
  const Revision needed = ceiling_needed_;
  lock.unlock();
  const absl::StatusOr<Revision> raised = keeper_.raise_ceiling(needed);
  lock.lock();
  if (!raised.ok()) return raised.status();
  // Cleared before admission looks again: it may ask again at once.
  if (*raised >= ceiling_needed_) ceiling_wanted_ = false;
  lock.unlock();
  core_.set_ceiling(*raised);
  lock.lock();
  return absl::OkStatus();
}

absl::Status LogSupply::sync_directory() {
  const JournalOptions& options = core_.options();
  return options.sync_directory ? options.sync_directory() : of_sync(fs_.sync_directory(options.directory));
}

absl::Status LogSupply::prepare_group(std::unique_lock<std::mutex>& lock) {
  const std::uint64_t segment_bytes = segment_bytes_;
  const std::size_t wanted = group_size();
  const bool opening = opening_;
  working_ = true;
  lock.unlock();
  absl::Status done = core_.failed() ? core_.failure() : absl::OkStatus();
  while (done.ok() && built_.size() < wanted) done = build(segment_bytes);
  // A full disk leaves a smaller group, which is better than none.
  bool usable = !built_.empty() && (done.ok() || may_heal(done));
  if (usable) {
    absl::Status named = sync_directory();
    // Final, even where nothing was opened yet: no later sync makes up for it.
    if (!named.ok() && !may_heal(named)) core_.fail(named);
    if (named.ok()) named = keeper_.segments_prepared(built_.front()->number(), built_.back()->number());
    if (!named.ok()) done = named;
    usable = named.ok();
  }
  std::uint64_t room = 0, room_max = 0;
  for (const auto& segment : built_) {
    room += room_of(*segment);
    room_max = std::max(room_max, room_of(*segment));
  }
  lock.lock();
  if (usable) {
    space_wanted_ = false;  // Cleared before admission looks again: it may ask again at once.
    for (auto& segment : built_) ready_.push_back(std::move(segment));
    built_.clear();
  }
  lock.unlock();
  // After they can be taken, and before anybody is told: who has opened a log counts on its space, and when it is
  // closed none may be added any more.
  if (usable) core_.add_space(room, room_max);
  lock.lock();
  working_ = false;
  if (opening) {
    opening_ = false;
    opened_ = usable ? absl::OkStatus() : done;
    open_ = usable;
  }
  done_.notify_all();
  return opening && !usable ? absl::OkStatus() : done;
}

absl::Status LogSupply::build(std::uint64_t segment_bytes) {
  const SegmentIdentity identity{
      .store_id = core_.options().store_id, .number = next_number_, .created_ms = clock_.now()};
  auto segment = SegmentWriter::create(fs_, core_.options().directory, identity, segment_bytes,
                                       allocation_for(segment_bytes, core_.options().record_bytes_max));
  if (!segment.ok()) return segment.status();
  ++next_number_;
  built_.push_back(std::move(*segment));
  return absl::OkStatus();
}

}  // namespace kv
