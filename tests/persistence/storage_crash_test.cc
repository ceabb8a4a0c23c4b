// A small workload with snapshots, a compaction and mode switches, cut at its storage calls, each time with several
// ways to lose what was not synced; then recovered and judged.
//
// KV_CRASH_STEP=1 cuts at every call; the default cuts at fewer, so that it stays short.
#include <catch2/catch.hpp>

#include "tests/persistence/storage_fixture.h"
#include "tests/support/crash_step.h"
#include "tests/support/faulty_file_system.h"

namespace kv {
namespace {

// What was written, in order, and how much of it may not be lost any more.
struct History {
  struct Write {
    std::string key;
    std::string value;
  };
  std::vector<Write> writes;
  std::size_t safe = 0;  // this many are acknowledged as on disk
  Revision revision = 0;

  // Whether `data` is the state after some prefix that holds everything safe.
  bool allows(const Data& data) const {
    Data state;
    for (std::size_t n = 0; n <= writes.size(); ++n) {
      if (n >= safe && state == data) return true;
      if (n < writes.size()) state[writes[n].key] = writes[n].value;
    }
    return false;
  }
};

// False when the disk did not take it any more.
bool put(StorageFixture& server, History& history, int i) {
  history.writes.push_back({"key" + std::to_string(i % 5), "value" + std::to_string(i)});
  const auto revision = server.try_put(history.writes.back().key, history.writes.back().value);
  if (!revision.ok()) return false;
  history.revision = *revision;
  if (server.last_level() == Level::kDisk) history.safe = history.writes.size();
  return true;
}

// Ends at the first thing that fails.
void work(StorageFixture& server, History& history) {
  if (!server.open().ok()) return;
  int i = 0;
  const auto write = [&](int count) {
    for (int end = i + count; i < end; ++i) {
      if (!put(server, history, i)) return false;
    }
    return true;
  };
  const auto change = [&](Mode mode) {
    if (!server.change(StorageFixture::to(mode)).ok()) return false;
    if (!write(2)) return false;
    // In SNAPSHOT mode what a snapshot holds is safe, and only that.
    if (mode != Mode::kSnapshot) return true;
    const std::size_t before = history.writes.size();
    if (!server.snapshot().ok()) return false;
    history.safe = before;
    return true;
  };
  if (!write(3) || !server.snapshot().ok() || !write(2)) return;
  for (const Mode mode : {Mode::kSnapshot, Mode::kAof, Mode::kHybrid, Mode::kAof, Mode::kSnapshot, Mode::kHybrid}) {
    if (!change(mode)) return;
  }
  if (!server.snapshot().ok() || !write(2)) return;
  server.stop().IgnoreError();
}

void judge(FileSystem& disk, const History& history) {
  StorageFixture server;
  server.use(disk);
  server.start();
  const Data found = server.data();
  if (!history.allows(found)) {
    std::string text;
    for (const auto& [key, value] : found) text += key + "=" + value + " ";
    FAIL("not a state that may be: " << text << " with " << history.safe << " of " << history.writes.size() << " safe");
  }
  // It goes on from there, above every number that was ever shown.
  CHECK(server.put("again", "1") > history.revision);
  Data expected = found;
  expected["again"] = "1";
  server.restart();
  CHECK(server.data() == expected);
}

TEST_CASE("storage: a power cut at any storage call leaves a state that was promised") {
  std::uint64_t calls = 0;
  {
    FaultyFileSystem disk;
    StorageFixture server;
    server.use(disk);
    History history;
    work(server, history);
    REQUIRE(history.writes.size() == 19);
    calls = disk.calls();
  }
  REQUIRE(calls > 100);
  for (std::uint64_t n = 1; n <= calls; n += crash_step(67)) {
    FaultyFileSystem disk;
    disk.power_off_at(n, n % 200);
    History history;
    {
      StorageFixture server;
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
    History history;
    {
      StorageFixture server;
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
