#include "bench/null_log.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "core/absl_text.h"
#include "core/poll_loop.h"

namespace kv {
namespace {

constexpr std::size_t kRecordsMax = 4096;  // in one write

}  // namespace

absl::StatusOr<std::unique_ptr<NullLog>> NullLog::create(FileSystem& fs, const std::string& path) {
  absl::StatusOr<std::unique_ptr<File>> file = fs.create(path);
  if (!file.ok()) return file.status();
  if (absl::Status made = (*file)->allocate(kFileBytes); !made.ok()) return made;
  if (absl::Status synced = (*file)->sync(); !synced.ok()) return synced;
  return std::unique_ptr<NullLog>(new NullLog(*std::move(file)));
}

NullLog::NullLog(std::unique_ptr<File> file)
    : file_(std::move(file)), bytes_(kRecordsMax * kRecordBytes, std::byte{0x5a}), thread_([this] { run(); }) {}

NullLog::~NullLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  handed_.notify_one();
  thread_.join();
}

void NullLog::write(Completion& done, Scheduler& home) {
  // A poller's own; it has one log.
  struct BunchEnd final : Completion {
    void complete(bool) noexcept override { std::exchange(log, nullptr)->hand_over(); }
    NullLog* log = nullptr;
  };
  static thread_local BunchEnd bunch_end;
  {
    const std::lock_guard lock(mutex_);
    waiting_.emplace_back(&home, &done);
  }
  if (bunch_end.log == this) return;
  if (bunch_end.log == nullptr && PollLoop::defer(bunch_end)) {
    bunch_end.log = this;
  } else {
    hand_over();
  }
}

void NullLog::hand_over() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(handed_over_, true)) return;
  }
  handed_.notify_one();
}

void NullLog::run() {
  Waiting taken;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      handed_.wait(lock, [this] { return handed_over_ || stopping_; });
      if (!handed_over_) return;
      handed_over_ = false;
      taken.swap(waiting_);
    }
    if (const absl::Status written = write_for(taken.size()); !written.ok()) {
      std::cerr << "kvstore_null_server: " << message_of(written) << std::endl;
      std::_Exit(EXIT_FAILURE);
    }
    for (std::size_t i = 0; i < taken.size();) {
      Scheduler& home = *taken[i].first;
      CompletionList list;
      for (; i < taken.size() && taken[i].first == &home; ++i) list.push(*taken[i].second);
      home.post(std::move(list));
    }
    taken.clear();
  }
}

absl::Status NullLog::write_for(std::size_t records) {
  while (records > 0) {
    const std::size_t now = std::min(records, kRecordsMax);
    const Bytes bytes = Bytes(bytes_).first(now * kRecordBytes);
    if (used_ + bytes.size() > kFileBytes) used_ = 0;
    if (absl::Status written = write_all_at(*file_, bytes, used_); !written.ok()) return written;
    used_ += bytes.size();
    records -= now;
  }
  return file_->sync_data();
}

}  // namespace kv
