// Alarms for what fails nobody: a disk that does not answer, and changes that get into no snapshot.
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/persistence/storage_fixture.h"
#include "tests/support/disk_gate.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

using namespace std::chrono_literals;
using Alarms = std::vector<std::string>;

// Declared behind whoever waits for the call, so that a check that fails does not wait for ever.
struct OpenAtEnd {
  DiskGate& gate;
  ~OpenAtEnd() { gate.open(); }
};

TEST_CASE("alarm: a disk of the log that does not answer for 5 s is told, and is over when it answers") {
  for (const DiskCall call : {DiskCall::kWrite, DiskCall::kSyncData}) {
    for (const char* fsync : {"always", "never"}) {
      if (call == DiskCall::kSyncData && fsync == std::string("never")) continue;  // nobody syncs
      FaultyFileSystem disk;
      DiskGate disk_of_the_log(disk, call, ".aof");
      StorageFixture server(Mode::kAof);
      server.give("fsync", fsync);
      server.use(disk);
      server.start();
      server.put("a", "1");
      disk_of_the_log.close();
      std::future<void> waits = std::async(std::launch::async, [&] { server.put("b", "2"); });
      const OpenAtEnd at_end{disk_of_the_log};
      disk_of_the_log.wait_until_reached();
      CHECK(server.storage().status().alarms == Alarms{});
      server.clock_.advance(6s);
      const StorageStatus stalled = server.storage().status();
      REQUIRE(stalled.alarms == Alarms{"disk_stalled"});
      CHECK(stalled.log_disk_silence == 6s);
      CHECK_FALSE(stalled.promise_kept);
      CHECK(stalled.accepting_writes == (fsync == std::string("never")));
      while (!server.logged("has not answered for 5 s")) std::this_thread::yield();
      disk_of_the_log.open();
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
  DiskGate snapshots(disk, DiskCall::kCreate, ".snap.tmp");
  StorageFixture server(Mode::kSnapshot);
  server.give("snapshot-interval", "10s");
  server.use(disk);
  server.start();
  server.clock_.advance(100s);
  CHECK(server.storage().status().alarms == Alarms{});  // there is nothing to save
  snapshots.close();
  server.put("a", "1");
  snapshots.wait_until_reached();  // the interval is long over
  server.clock_.advance(19s);
  CHECK(server.storage().status().alarms == Alarms{});
  server.clock_.advance(2s);
  CHECK(server.storage().status().alarms == Alarms{"snapshot_overdue"});
  CHECK_FALSE(server.storage().status().promise_kept);
  snapshots.open();
  while (server.storage().status().snapshots_taken == 0) std::this_thread::yield();
  CHECK(server.storage().status().alarms == Alarms{});
  server.clock_.advance(100s);
  CHECK(server.storage().status().alarms == Alarms{});
}

}  // namespace
}  // namespace kv
