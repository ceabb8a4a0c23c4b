// A small workload with snapshots, a compaction and mode switches, cut at its calls to the disk, or with calls that
// fail; then recovered and judged.
//
// It cuts at some calls, so that it stays short; `./dev torture enumerate --cycles 1` cuts at all.
#include <catch2/catch.hpp>

#include "tests/persistence/crash_enumeration.h"
#include "tests/persistence/storage_story.h"
#include "tests/support/crash_step.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

TEST_CASE("storage: a power cut at any storage call leaves a state that was promised") {
  const CrashCounts counts = cut_storage({.step = crash_step(97)});
  CHECK(counts.calls > 100);
  CHECK(counts.cuts > 0);
  CHECK(counts.losses.left >= counts.cuts);
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
