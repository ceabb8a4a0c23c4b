// One round: take, write, (sync,) wake. The sync beside the writes is in log_sync.cc.
#include "persistence/log_strand.h"

#include <algorithm>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>

#include "core/bytes.h"
#include "persistence/journal_core.h"
#include "persistence/run_on.h"

namespace kv {

namespace asio = boost::asio;

namespace {

// So many follow each other before the strand's other work has its turn. A round that is posted wakes the other thread
// beside the one that goes on anyway, and may move there.
constexpr int kRoundsInTurn = 16;

}  // namespace

LogStrand::LogStrand(JournalCore& core, LogSupply& supply, Clock& clock)
    : core_(core),
      supply_(supply),
      clock_(clock),
      io_(2),
      keep_running_(asio::make_work_guard(io_)),
      writes_(asio::make_strand(io_)),
      syncs_(asio::make_strand(io_)),
      policy_(core.options().settings.fsync),
      interval_(core.options().settings.fsync_interval),
      retry_(io_),
      idle_(io_),
      interval_timer_(io_) {
  for (std::thread& thread : threads_) thread = std::thread([this] { io_.run(); });
}

LogStrand::~LogStrand() { stop(); }

void LogStrand::stop() {
  io_.stop();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void LogStrand::wake() noexcept {
  asio::post(writes_, MemoryHandler(wake_memory_, [this] { drain(); }));
}

void LogStrand::fail(const absl::Status& why) { core_.fail(why); }

// ---- Writing ----

void LogStrand::drain() {
  for (int round = 0; round < kRoundsInTurn; ++round) {
    if (!core_.take(taken_)) return arm_idle();
    position_ = 0;
    batch_end_ = 0;
    space_used_ = 0;
    if (!continue_writing()) return;
  }
  wake();
}

bool LogStrand::continue_writing() {
  const Progress progress = write_taken();
  if (progress == Progress::kBlocked) retry_later();
  return progress == Progress::kDone && finish_round();
}

LogStrand::Progress LogStrand::write_taken() {
  while (batch_end_ != 0 || position_ + kBatchHeaderBytes < taken_.bytes.size()) {
    if (batch_end_ == 0) {
      if (const Progress formed = next_batch(); formed != Progress::kDone) return formed;
    }
    if (const Progress written = write_batch(); written != Progress::kDone) return written;
  }
  return Progress::kDone;
}

// Forms and seals the batch at position_: as many records as one write may carry and the segment has room for.
LogStrand::Progress LogStrand::next_batch() {
  const std::size_t begin = position_ + kBatchHeaderBytes;
  std::size_t end = begin;
  BatchHeader header{.durable_watermark = core_.waiters().durable(), .clock_ms = clock_.now()};
  while (end < taken_.bytes.size()) {
    RecordHeader record;
    decode(std::span<const std::byte>(taken_.bytes).subspan(end).first<kRecordHeaderBytes>(), record);
    const std::size_t payload = end - begin + record.record_bytes;
    if (header.record_count != 0 && payload > core_.options().batch_bytes) break;
    if (!current_->fits(payload)) {
      if (header.record_count != 0) break;
      if (!current_->empty()) {
        if (const Progress rotated = rotate(); rotated != Progress::kDone) return rotated;
        continue;
      }
      // Larger than a segment: it gets this one for itself.
    }
    if (header.record_count++ == 0) header.first_revision = record.revision;
    batch_last_ = record.revision;
    end += record.record_bytes;
  }
  header.payload_bytes = static_cast<std::uint32_t>(end - begin);
  current_->seal(taken_.bytes.subspan(position_, end - position_), header);
  batch_end_ = end;
  batch_records_ = header.record_count;
  watermark_written_ = header.durable_watermark;
  return Progress::kDone;
}

LogStrand::Progress LogStrand::write_batch() {
  const std::uint64_t left = current_->left();
  const Bytes batch = taken_.bytes.subspan(position_, batch_end_ - position_);
  const absl::Status written = [&] {
    const DiskCalls::Timed timed(calls_);
    return current_->write(batch, batch_last_);
  }();
  if (!written.ok()) return stopped_by(written);
  space_used_ += left - current_->left();
  // The next header goes over the end of what is in the file already.
  position_ = batch_end_ - kBatchHeaderBytes;
  batch_end_ = 0;
  {
    std::lock_guard lock(segments_mutex_);
    current_os_ = batch_last_;
    current_used_ = current_->used();
    if (!oldest_unsynced_) oldest_unsynced_ = clock_.monotonic();
  }
  batches_.fetch_add(1, std::memory_order_relaxed);
  bytes_written_.fetch_add(batch.size(), std::memory_order_relaxed);
  if (core_.options().on_batch) core_.options().on_batch(batch_records_);
  core_.waiters().raise_os(batch_last_);
  return Progress::kDone;
}

LogStrand::Progress LogStrand::rotate() {
  if (next_ == nullptr) next_ = supply_.take();
  // Admission has seen to it that there is one; should it be late, that is no reason to lose anything.
  if (next_ == nullptr) return Progress::kBlocked;
  const absl::Status started = [&] {
    const DiskCalls::Timed timed(calls_);
    return next_->start(current_->last_revision(), current_->end(), clock_.now());
  }();
  if (!started.ok()) return stopped_by(started);
  space_used_ += current_->left();
  {
    std::lock_guard lock(segments_mutex_);
    unsynced_.push_back(std::move(current_));
    current_ = std::move(next_);
    current_used_ = current_->used();
  }
  segments_started_.fetch_add(1, std::memory_order_relaxed);
  if (policy_ != FsyncPolicy::kAlways) asio::post(syncs_, [this] { sync_closed(); });
  return Progress::kDone;
}

// What a failed write means: a full disk heals, anything else is final.
LogStrand::Progress LogStrand::stopped_by(const absl::Status& why) {
  if (may_heal(why) && !give_up_) return Progress::kBlocked;
  fail(why);
  return Progress::kFailed;
}

void LogStrand::retry_later() {
  blocked_ = true;
  core_.refuse_writes(true);
  retry_.expires_after(core_.options().retry_space_after);
  retry_.async_wait(asio::bind_executor(writes_, [this](const boost::system::error_code& cancelled) {
    if (!cancelled && !core_.failed() && continue_writing()) wake();
  }));
}

bool LogStrand::finish_round() {
  if (blocked_) {
    blocked_ = false;
    core_.refuse_writes(false);
  }
  core_.written(taken_, space_used_);
  if (policy_ == FsyncPolicy::kAlways) return sync_round();
  arm_interval();
  update_delay();
  sync_if_wanted();
  return true;
}

// ---- The watermark when nothing is written ----

// Each round puts it off, and touches the timer only when none is set: one that is put off rings once, finds that it is
// too early, and is set again. Set anew after each round, it woke the other thread every time.
void LogStrand::arm_idle() {
  if (current_ == nullptr || core_.waiters().durable() <= watermark_written_) return;
  idle_due_ = std::chrono::steady_clock::now() + core_.options().idle_after;  // by the clock of its timer
  if (!std::exchange(idle_armed_, true)) wait_for_idle(core_.options().idle_after);
}

void LogStrand::wait_for_idle(std::chrono::steady_clock::duration time) {
  idle_.expires_after(time);
  idle_.async_wait(asio::bind_executor(writes_, [this](const boost::system::error_code&) {
    // Also when it was cancelled: another log may be open by now, and have put it off.
    const auto early = idle_due_ - std::chrono::steady_clock::now();
    idle_armed_ = current_ != nullptr && early > early.zero();
    if (idle_armed_) {
      wait_for_idle(early);
    } else {
      write_watermark();
    }
  }));
}

// Not synced: it tells damage from a torn tail better, it promises nothing.
void LogStrand::write_watermark() {
  const Revision durable = core_.waiters().durable();
  if (current_ == nullptr || blocked_ || core_.failed() || durable <= watermark_written_) return;
  const std::uint64_t left = current_->left();
  const std::uint64_t space = std::min<std::uint64_t>(left, kBatchHeaderBytes);
  if (!current_->fits_header_only() || !core_.take_spare_space(space)) return;
  std::array<std::byte, kBatchHeaderBytes> batch;
  current_->seal(
      batch, {.first_revision = current_->last_revision() + 1, .durable_watermark = durable, .clock_ms = clock_.now()});
  const absl::Status written = current_->write(batch, 0);
  if (!written.ok()) {
    core_.add_space(space, 0);
    if (!may_heal(written)) fail(written);
    return;
  }
  watermark_written_ = durable;
  std::lock_guard lock(segments_mutex_);
  current_used_ = current_->used();
}

// ---- Control ----

absl::Status LogStrand::open(std::unique_ptr<SegmentWriter> first, const SegmentEnd& predecessor, Revision base) {
  return run_on(writes_, [&]() -> absl::Status {
    // Synced before anything can follow: a base that jumps must never be lost while later batches are not.
    if (absl::Status started = first->start(base, predecessor, clock_.now()); !started.ok()) return started;
    if (absl::Status synced = of_sync(first->file().sync_data()); !synced.ok()) return synced;
    watermark_written_ = base;
    segments_started_.fetch_add(1, std::memory_order_relaxed);
    std::lock_guard lock(segments_mutex_);
    current_ = std::move(first);
    current_used_ = current_->used();
    current_os_ = base;
    oldest_unsynced_.reset();
    closed_.clear();
    return absl::OkStatus();
  });
}

void LogStrand::tidy() {
  run_on(syncs_, [this] {
    tidy_closed();
    return true;
  });
}

absl::StatusOr<SegmentEnd> LogStrand::close() {
  tidy();
  return run_on(writes_, [this]() -> absl::StatusOr<SegmentEnd> {
    std::lock_guard round(round_mutex_);
    if (core_.failed()) return core_.failure();
    idle_.cancel();
    if (absl::Status cut = current_->file().truncate(current_->used()); !cut.ok()) return cut;
    if (absl::Status synced = current_->file().sync(); !synced.ok()) return synced;
    const SegmentEnd end = current_->end();
    next_.reset();
    std::lock_guard lock(segments_mutex_);
    current_.reset();
    current_used_ = 0;
    return end;
  });
}

}  // namespace kv
