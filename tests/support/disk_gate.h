// Holds back calls of one kind to a simulated disk, until it is opened.
//
// Threads: calls from any. Lifetime: of the disk's calls, since it stays their hook.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

#include "tests/support/faulty_file_system.h"

namespace kv {

class DiskGate {
 public:
  // Open at first. `suffix`: of the names of the files that are meant; empty: of all.
  explicit DiskGate(FaultyFileSystem& fs, DiskCall kind = DiskCall::kSyncData, std::string suffix = "") {
    fs.on_call([this, kind, suffix = std::move(suffix)](DiskCall call, const std::string& path) {
      if (call != kind || !path.ends_with(suffix)) return;
      std::unique_lock lock(mutex_);
      if (open_) return;
      ++waiting_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
    });
  }
  void close() {
    std::lock_guard lock(mutex_);
    waiting_ = 0;
    open_ = false;
  }
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // Until a call has come while it was closed.
  void wait_until_reached() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int waiting_ = 0;
};

}  // namespace kv
