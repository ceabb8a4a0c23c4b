// A disk whose syncs of data, or calls of another kind, can be held back, and made to fail.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>

#include <catch2/catch.hpp>

#include "tests/support/faulty_file_system.h"

namespace kv {

struct HeldDisk {
  explicit HeldDisk(DiskCall kind = DiskCall::kSyncData) {
    REQUIRE(fs.make_directory("/log").ok());
    fs.on_call([this, kind](DiskCall call, const std::string&) {
      if (call != kind) return;
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return !held; });
    });
  }
  void hold(bool on) {
    std::lock_guard lock(mutex);
    held = on;
    changed.notify_all();
  }

  std::mutex mutex;
  std::condition_variable changed;
  bool held = false;
  FaultyFileSystem fs;
};

}  // namespace kv
