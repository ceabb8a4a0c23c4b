// A small workload with snapshots, a compaction and mode switches, cut at its storage calls, each time with several
// ways to lose what was not synced; then recovered and judged.
//
// KV_CRASH_STEP=1 cuts at every call; the default cuts at fewer, so that it stays short.
#include <catch2/catch.hpp>

#include "tests/persistence/storage_fixture.h"
#include "tests/persistence/storage_story.h"
#include "tests/support/crash_step.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

TEST_CASE("storage: a power cut at any storage call leaves a state that was promised") {
  std::uint64_t calls = 0;
  {
    FaultyFileSystem disk;
    StorageFixture server;
    set_up_for_work(server);
    server.use(disk);
    WriteHistory history;
    const WorkEnd end = work(server, history);
    INFO(end.status.ToString());
    REQUIRE(end.completed());
    calls = disk.calls();
  }
  REQUIRE(calls > 100);
  for (std::uint64_t n = 1; n <= calls; n += crash_step(67)) {
    FaultyFileSystem disk;
    disk.power_off_at(n, n % 200);
    WriteHistory history;
    {
      StorageFixture server;
      set_up_for_work(server);
      server.use(disk);
      work(server, history);
    }
    using Which = Survivors::Which;
    const std::size_t unsynced = disk.unsynced_changes();
    for (const Survivors& survivors :
         {Survivors{Which::kNone, 0, 0, 0}, Survivors{Which::kAll, 0, 0, 0}, Survivors{Which::kOnlyNames, 0, 0, 0},
          Survivors{Which::kFirst, unsynced / 2, 7, 0}, Survivors{Which::kRandom, 0, 0, n}}) {
      INFO("power cut at call " << n << " of " << calls << ", survivors " << static_cast<int>(survivors.which));
      const auto after = disk.after_crash(survivors);
      judge(*after, history);
    }
  }
}

// Every single call fails once. The server may refuse, but what it holds and what comes back must be right.
void every_call_fails_once(DiskCall call, int error_number) {
  std::uint64_t calls = 0;
  for (std::uint64_t n = 0;; n += crash_step(23)) {
    FaultyFileSystem disk;
    disk.fail({.call = call, .path_part = {}, .after = n, .error_number = error_number});
    WriteHistory history;
    {
      StorageFixture server;
      set_up_for_work(server);
      server.use(disk);
      work(server, history);
    }
    if (disk.faults_delivered() == 0) break;
    ++calls;
    INFO("call " << n << " of its kind fails with " << error_number);
    const auto after = disk.after_crash({Survivors::Which::kNone, 0, 0, 0});
    judge(*after, history);
  }
  CHECK(calls > 0);
}

TEST_CASE("storage: a sync that fails once loses nothing that was promised") {
  every_call_fails_once(DiskCall::kSync, EIO);
  every_call_fails_once(DiskCall::kSyncData, EIO);
  every_call_fails_once(DiskCall::kSyncDirectory, EIO);
}

TEST_CASE("storage: a create, rename, write or allocation that fails once loses nothing that was promised") {
  every_call_fails_once(DiskCall::kCreate, ENOSPC);
  every_call_fails_once(DiskCall::kRename, EIO);
  every_call_fails_once(DiskCall::kAllocate, ENOSPC);
  every_call_fails_once(DiskCall::kRemove, EIO);
  every_call_fails_once(DiskCall::kWrite, EIO);
}

}  // namespace
}  // namespace kv
