// The syncing half of LogStrand: rounds, closed segments, the interval, and writes that wait for a late sync.
#include <algorithm>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>

#include "persistence/journal_core.h"
#include "persistence/log_strand.h"
#include "persistence/run_on.h"

namespace kv {
namespace {

constexpr std::chrono::seconds kLateSync{1};

}  // namespace

namespace asio = boost::asio;

bool LogStrand::sync_file(SegmentWriter& segment) {
  const auto begun = std::chrono::steady_clock::now();
  const absl::Status synced = [&] {
    const DiskCalls::Timed timed(calls_);
    return segment.file().sync_data();
  }();
  if (!synced.ok()) {
    fail(synced);
    return false;
  }
  fsyncs_.fetch_add(1, std::memory_order_relaxed);
  if (core_.options().on_sync) core_.options().on_sync(std::chrono::steady_clock::now() - begun);
  return true;
}

// Syncs what was written when it began, closed segments first, then lets `durable` pass it.
bool LogStrand::sync_round() { return sync_segments(true); }

// Only the closed ones: so that even under NEVER a full segment reaches the disk.
void LogStrand::sync_closed() {
  if (sync_segments(false)) asio::post(writes_, [this] { arm_idle(); });
}

// One round at a time, until what it has found is known to all. The kernel tells the error of a lost page to one
// fdatasync of a descriptor: one that runs beside it is told that all is well.
bool LogStrand::sync_segments(bool current_too) {
  std::lock_guard round(round_mutex_);
  if (core_.failed()) return false;
  std::vector<std::shared_ptr<SegmentWriter>> files;
  Revision target = 0;
  const MonotonicTime begun = clock_.monotonic();
  {
    std::lock_guard lock(segments_mutex_);
    files = unsynced_;
    if (!files.empty()) target = files.back()->last_revision();
    if (current_too && current_ != nullptr) {
      files.push_back(current_);
      target = current_os_;
    }
  }
  if (files.empty()) return true;
  for (const auto& file : files) {
    if (!sync_file(*file)) return false;
  }
  bool untidied;
  {
    std::lock_guard lock(segments_mutex_);
    std::erase_if(unsynced_, [&](const auto& segment) {
      if (std::find(files.begin(), files.end(), segment) == files.end()) return false;
      untidied_.push_back(segment);
      return true;
    });
    untidied = !untidied_.empty();
    if (current_too) {
      if (current_os_ > target) {
        oldest_unsynced_ = begun;
      } else {
        oldest_unsynced_.reset();
      }
    }
  }
  core_.waiters().raise_durable(target);
  update_delay();
  if (untidied) asio::post(syncs_, [this] { tidy_closed(); });
  return true;
}

void LogStrand::tidy_closed() {
  std::vector<std::shared_ptr<SegmentWriter>> segments;
  {
    std::lock_guard lock(segments_mutex_);
    segments = untidied_;
  }
  for (const auto& segment : segments) {
    if (core_.failed()) return;
    const DiskCalls::Timed timed(calls_);
    absl::Status done = segment->file().truncate(segment->used());
    if (done.ok()) done = segment->file().sync();
    if (!done.ok()) return fail(done);
    std::lock_guard lock(segments_mutex_);
    std::erase(untidied_, segment);
    closed_.push_back({segment->number(), segment->last_revision(), segment->used()});
  }
}

void LogStrand::request_sync() noexcept {
  if (sync_requested_.exchange(true)) return;
  asio::post(syncs_, MemoryHandler(sync_memory_, [this] {
               sync_requested_ = false;
               // A round that was running when this was asked for may have covered it.
               const LevelWaiters& marks = core_.waiters();
               if (core_.failed() || marks.durable_wanted() <= marks.durable() || !sync_round()) return;
               sync_if_wanted();
               asio::post(writes_, [this] { arm_idle(); });
             }));
}

// Somebody waits for what is written by now. What is still queued is looked at again after it was written.
void LogStrand::sync_if_wanted() {
  const LevelWaiters& marks = core_.waiters();
  if (marks.durable_wanted() > marks.durable() && marks.os() > marks.durable()) request_sync();
}

// The interval counts from the oldest byte that no sync has covered. One that was written during a sync is as old as
// that sync's beginning: counted from its end, the byte would wait for two syncs and the interval between them.
MonotonicTime::duration LogStrand::until_sync_is_due() const {
  const MonotonicTime now = clock_.monotonic();
  std::lock_guard lock(segments_mutex_);
  const MonotonicTime due = oldest_unsynced_.value_or(now) + interval_.load();
  return std::max(due - now, MonotonicTime::duration::zero());
}

void LogStrand::arm_interval() {
  if (policy_ != FsyncPolicy::kInterval || interval_armed_.exchange(true)) return;
  asio::post(syncs_, [this] {
    interval_timer_.expires_after(until_sync_is_due());
    interval_timer_.async_wait(
        asio::bind_executor(syncs_, [this](const boost::system::error_code&) { interval_sync(); }));
  });
}

// When the interval is over, or is another one.
void LogStrand::interval_sync() {
  interval_armed_ = false;
  const LevelWaiters& marks = core_.waiters();
  if (core_.failed() || marks.os() <= marks.durable() || !sync_round()) return;
  asio::post(writes_, [this] { arm_idle(); });
  if (marks.os() > marks.durable()) arm_interval();
}

// New writes wait while the oldest unsynced byte is older than the interval allows. Decided and told under one lock:
// the last word must be the newest.
void LogStrand::update_delay() {
  std::lock_guard lock(segments_mutex_);
  const bool late = policy_ == FsyncPolicy::kInterval && oldest_unsynced_ &&
                    clock_.monotonic() - *oldest_unsynced_ > interval_.load() + kLateSync;
  core_.delay_writes(late);
}

void LogStrand::set_policy(FsyncPolicy policy, std::chrono::milliseconds interval) {
  policy_ = policy;
  interval_ = interval;
  // What was written under the old policy is due under the new one.
  core_.waiters().want_durable(core_.waiters().os());
  request_sync();
  // A timer of the old interval rings now, and the next one is set by the new interval: else what comes would wait for
  // the old one, and be late by the new.
  asio::post(syncs_, [this] { interval_timer_.cancel(); });
}

std::vector<ClosedSegment> LogStrand::closed_segments() const {
  std::lock_guard lock(segments_mutex_);
  return closed_;
}

void LogStrand::forget_segments(std::uint64_t number) {
  std::lock_guard lock(segments_mutex_);
  std::erase_if(closed_, [number](const ClosedSegment& segment) { return segment.number <= number; });
}

void LogStrand::add_figures(JournalFigures& figures) const noexcept {
  figures.disk_silence = calls_.oldest();
  figures.batches = batches_.load(std::memory_order_relaxed);
  figures.fsyncs = fsyncs_.load(std::memory_order_relaxed);
  figures.bytes_written = bytes_written_.load(std::memory_order_relaxed);
  figures.segments_started = segments_started_.load(std::memory_order_relaxed);
  std::lock_guard lock(segments_mutex_);
  figures.current_segment = current_ != nullptr ? current_->number() : 0;
  figures.log_bytes = current_used_;
  for (const auto& segment : closed_) figures.log_bytes += segment.bytes;
  for (const auto* list : {&unsynced_, &untidied_}) {
    for (const auto& segment : *list) figures.log_bytes += segment->used();
  }
}

}  // namespace kv
