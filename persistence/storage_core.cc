#include "persistence/storage_core.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "persistence/segment_writer.h"

namespace kv {

LogSettings log_settings(const Settings& settings) {
  return {settings.log_segment_bytes, settings.fsync, settings.fsync_interval};
}

Settings StorageCore::settings() const {
  std::lock_guard lock(mutex_);
  return settings_;
}

void StorageCore::adopt(const Settings& settings) {
  {
    std::lock_guard lock(mutex_);
    settings_ = settings;
  }
  if (journal != nullptr) journal->set_settings(log_settings(settings));
  if (options.on_settings) options.on_settings(settings);
}

std::vector<ClosedSegment> StorageCore::closed_segments() const {
  std::vector<ClosedSegment> result;
  {
    std::lock_guard lock(mutex_);
    result = remembered_;
  }
  const std::vector<ClosedSegment> of_journal = journal->closed_segments();
  result.insert(result.end(), of_journal.begin(), of_journal.end());
  return result;
}

bool StorageCore::wait_for_stop(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  return stop_begins_.wait_for(lock, most, [this] { return stopping.load(); });
}

void StorageCore::begin_stop() {
  {
    std::lock_guard lock(mutex_);
    stopping = true;
  }
  stop_begins_.notify_all();
}

std::uint64_t StorageCore::log_bytes() const {
  std::uint64_t bytes = journal->figures().log_bytes;
  std::lock_guard lock(mutex_);
  for (const ClosedSegment& segment : remembered_) bytes += segment.bytes;
  return bytes;
}

void StorageCore::remember_closed(std::vector<ClosedSegment> segments) {
  if (journal != nullptr && !segments.empty()) journal->forget_segments(segments.back().number);
  std::lock_guard lock(mutex_);
  remembered_ = std::move(segments);
}

std::uint64_t StorageCore::next_segment() const {
  std::lock_guard lock(mutex_);
  return std::max(next_segment_, keeper->get()->next_segment);
}

void StorageCore::raise_next_segment(std::uint64_t number) {
  std::lock_guard lock(mutex_);
  next_segment_ = std::max(next_segment_, number);
}

void StorageCore::report_failed(const absl::Status& status) const {
  if (status.ok() || errno_of(status) == ENOENT) return;
  warn(fmt::format("left for the next start: {}", message_of(status)));
}

void StorageCore::remove_file(const std::string& path) { report_failed(fs.remove(path)); }

void StorageCore::remove_segments(std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t number = first; number <= last; ++number) remove_file(directory->segment_path(number));
}

void StorageCore::retire(const Retired& retired) {
  if (retired.to_past) {
    // The names in the log's directory are synced on the way: what failed there no later sync makes up for.
    const absl::Status moved = directory->move_to_past(*retired.to_past);
    if (moved.ok() || may_heal(moved)) {
      report_failed(moved);
    } else {
      journal->fail(moved);
    }
  }
  for (const std::uint64_t number : retired.snapshots) remove_file(directory->snapshot_path(number));
  for (const std::uint64_t number : retired.segments) remove_file(directory->segment_path(number));
  for (const std::uint64_t number : retired.forgotten_past) {
    report_failed(directory->remove_past(number, keeper->get()->store_id));
  }
  // Both lists forget what MANIFEST no longer names.
  const std::shared_ptr<const Manifest> manifest = keeper->get();
  std::uint64_t forget = 0;
  for (const ClosedSegment& segment : journal->closed_segments()) {
    if (!manifest->segments.contains(segment.number)) forget = std::max(forget, segment.number);
  }
  if (forget != 0) journal->forget_segments(forget);
  std::lock_guard lock(mutex_);
  std::erase_if(remembered_, [&](const auto& segment) { return !manifest->segments.contains(segment.number); });
}

}  // namespace kv
