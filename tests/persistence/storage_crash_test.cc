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

// The power goes in a start, and again in the next ones, at the same call of each: nobody writes in between. What a
// jump of revisions leaves behind is then all there is to prove where the log ends.
void cut_starts(const FaultyFileSystem& before, Survivors::Which left, const Data& data) {
  constexpr int kStarts = 3;
  std::uint64_t cuts = 0;
  int whole = 0;
  for (std::uint64_t n = 1; whole < kStarts; n += crash_step(3)) {
    INFO("starts cut at call " << n);
    std::unique_ptr<FaultyFileSystem> disk = before.after_crash({.which = left});
    whole = 0;
    for (int i = 0; i < kStarts; ++i) {
      disk->power_off_at(n);
      {
        StorageFixture server(Mode::kHybrid);
        set_up_for_work(server);
        server.use(*disk);
        server.open().ok() ? ++whole : ++cuts;
      }
      disk = disk->after_crash({.which = left});
    }
    StorageFixture server(Mode::kHybrid);
    set_up_for_work(server);
    server.use(*disk);
    const absl::Status opened = server.open();
    INFO(opened.ToString());
    REQUIRE(opened.ok());
    REQUIRE(server.data() == data);
  }
  CHECK(cuts >= kStarts);
}

TEST_CASE("storage: starts that are cut one after the other, behind a snapshot and no write, lose and refuse nothing") {
  for (const bool late : {false, true}) {
    FaultyFileSystem disk;
    Data data;
    {
      StorageFixture server(late ? Mode::kAof : Mode::kHybrid);
      set_up_for_work(server);
      server.use(disk);
      server.start();
      for (int i = 0; i < 10; ++i) server.put("k" + std::to_string(i), "v");
      data = server.data();
      server.kill_and_start();
      if (late) {
        server.switch_to(Mode::kHybrid);
      } else {
        REQUIRE(server.snapshot().ok());
      }
    }
    for (const Survivors::Which left : {Survivors::Which::kNone, Survivors::Which::kAll}) {
      cut_starts(disk, left, data);
    }
  }
}

}  // namespace
}  // namespace kv
