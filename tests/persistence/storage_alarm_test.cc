// Alarms for what fails nobody: a disk that does not answer, and changes that get into no snapshot.
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>

#include <catch2/catch.hpp>

#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

using namespace std::chrono_literals;
using Alarms = std::vector<std::string>;

// Calls that are to hang, until the test lets them go.
class Hold {
 public:
  Hold(FaultyFileSystem& disk, DiskCall held, std::string path_part) {
    disk.on_call([this, held, part = std::move(path_part)](DiskCall call, const std::string& path) {
      if (call != held || path.find(part) == path.npos) return;
      std::unique_lock lock(mutex_);
      if (!on_) return;
      ++waiting_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return !on_; });
      --waiting_;
    });
  }
  ~Hold() { release(); }
  // Declared behind whoever waits for the call, so that a check that fails does not wait for ever.
  struct ReleaseAtEnd {
    Hold& hold;
    ~ReleaseAtEnd() { hold.release(); }
  };
  void hold() {
    const std::lock_guard lock(mutex_);
    on_ = true;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    on_ = false;
    changed_.notify_all();
  }
  void wait_until_one_hangs() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool on_ = false;
  int waiting_ = 0;
};

TEST_CASE("alarm: a disk of the log that does not answer for 5 s is told, and is over when it answers") {
  for (const DiskCall call : {DiskCall::kWrite, DiskCall::kSyncData}) {
    for (const char* fsync : {"always", "never"}) {
      if (call == DiskCall::kSyncData && fsync == std::string("never")) continue;  // nobody syncs
      FaultyFileSystem disk;
      Hold disk_of_the_log(disk, call, ".aof");
      StorageFixture server(Mode::kAof);
      server.give("fsync", fsync);
      server.use(disk);
      server.start();
      server.put("a", "1");
      disk_of_the_log.hold();
      std::future<void> waits = std::async(std::launch::async, [&] { server.put("b", "2"); });
      const Hold::ReleaseAtEnd at_end{disk_of_the_log};
      disk_of_the_log.wait_until_one_hangs();
      CHECK(server.storage().status().alarms == Alarms{});
      server.clock_.advance(6s);
      const StorageStatus stalled = server.storage().status();
      REQUIRE(stalled.alarms == Alarms{"disk_stalled"});
      CHECK(stalled.log_disk_silence == 6s);
      CHECK_FALSE(stalled.promise_kept);
      CHECK(stalled.accepting_writes == (fsync == std::string("never")));
      while (!server.logged("has not answered for 5 s")) std::this_thread::yield();
      disk_of_the_log.release();
      waits.get();
      while (server.storage().status().log_disk_silence != 0s) std::this_thread::yield();
      CHECK(server.storage().status().alarms == Alarms{});
      CHECK(server.storage().status().promise_kept);
      while (!server.logged("answers again")) std::this_thread::yield();
    }
  }
}

TEST_CASE("alarm: changes that a snapshot which hangs does not get to the disk are overdue after two intervals") {
  FaultyFileSystem disk;
  Hold snapshots(disk, DiskCall::kCreate, ".snap");
  StorageFixture server(Mode::kSnapshot);
  server.give("snapshot-interval", "10s");
  server.use(disk);
  server.start();
  server.clock_.advance(100s);
  CHECK(server.storage().status().alarms == Alarms{});  // there is nothing to save
  snapshots.hold();
  server.put("a", "1");
  snapshots.wait_until_one_hangs();  // the interval is long over
  server.clock_.advance(19s);
  CHECK(server.storage().status().alarms == Alarms{});
  server.clock_.advance(2s);
  CHECK(server.storage().status().alarms == Alarms{"snapshot_overdue"});
  CHECK_FALSE(server.storage().status().promise_kept);
  snapshots.release();
  while (server.storage().status().snapshots_taken == 0) std::this_thread::yield();
  CHECK(server.storage().status().alarms == Alarms{});
  server.clock_.advance(100s);
  CHECK(server.storage().status().alarms == Alarms{});
}

}  // namespace
}  // namespace kv
