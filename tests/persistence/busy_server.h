// A server whose jobs wait: what is accepted meanwhile, and what MANIFEST says of it.
//
// Threads: one test thread; the hook runs on whichever thread calls the disk.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <utility>

#include <catch2/catch.hpp>

#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"

namespace kv {

inline constexpr auto kBound = std::chrono::seconds(10);  // for what comes within milliseconds when nothing is wrong
// Longer than all that is awaited meanwhile; it ends a test that went wrong.
inline constexpr auto kHeld = std::chrono::seconds(60);

inline bool within_bound(const std::function<bool()>& happened) {
  const auto end = std::chrono::steady_clock::now() + kBound;
  while (!happened() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  return happened();
}

// A write's sync fails while the first snapshot is read back: no shard is locked then.
inline void fail_log_at_first_snapshot(FaultyFileSystem& disk, StorageFixture& server) {
  disk.on_call([&, armed = true](DiskCall call, const std::string& path) mutable {
    if (call != DiskCall::kRead || path.find(".snap") == path.npos || !std::exchange(armed, false)) return;
    disk.fail({.call = DiskCall::kSyncData, .path_part = ".aof"});
    server.put("a", "2");
  });
}

// A server whose first job is a snapshot that is held until go_on(), with a rewrite of the log behind it.
struct BusyServer {
  using Hook = std::function<void(DiskCall, const std::string&)>;
  explicit BusyServer(Hook also = {}) : server(Mode::kHybrid) {
    disk.on_call([this, also = std::move(also)](DiskCall call, const std::string& path) {
      if (also) also(call, path);
      if (call != DiskCall::kRename || path.find(".snap") == path.npos || !armed.exchange(false)) return;
      reached.set_value();
      held_too_long = may_go_on.wait_for(kHeld) != std::future_status::ready;
    });
    server.use(disk);
    server.start();
    server.put("a", "1");
    armed = true;
    server.storage().snapshot_now(
        [this](const absl::StatusOr<StoredSnapshot>& taken) { snapshot.set_value(taken.status()); });
    REQUIRE(reached.get_future().wait_for(kBound) == std::future_status::ready);
    server.storage().rewrite_log([this](const absl::StatusOr<LogRewrite>& done) { rewrite.set_value(done.status()); });
  }
  // The destructor of the server waits for its jobs.
  ~BusyServer() {
    CHECK_FALSE(held_too_long);
    go_on();
  }
  void go_on() {
    if (!std::exchange(going_on, true)) go.set_value();
  }

  FaultyFileSystem disk;
  std::promise<void> reached, go;
  std::shared_future<void> may_go_on = go.get_future().share();
  std::promise<absl::Status> snapshot, rewrite, recorded, done;
  std::atomic<bool> armed{false};
  std::atomic<bool> held_too_long{false};  // a test that waited for what waits for go_on()
  bool going_on = false;
  StorageFixture server;

  // `when_it_ends` is called before its callers are served any further.
  void change(
      Mode mode, std::function<void()> when_it_ends = [] {}) {
    ChangeOptions options;
    options.on_record = [this](const absl::Status& status) { recorded.set_value(status); };
    SettingsChange wanted = StorageFixture::to(mode);
    wanted.max_snapshots = 7;
    server.storage().change_settings(wanted, options,
                                     [this, when_it_ends = std::move(when_it_ends)](const absl::Status& status) {
                                       when_it_ends();
                                       done.set_value(status);
                                     });
  }
};

}  // namespace kv
