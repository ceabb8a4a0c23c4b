// Each call to the disk fails, once and from then on, in each way that a disk has: the whole sweep.
#include <thread>

#include <catch2/catch.hpp>

#include "tests/persistence/storage_story.h"
#include "tests/support/faulty_file_system.h"
#include "tests/torture/run.h"

namespace kv {
namespace {

struct Way {
  std::string name;
  int error_number;
  bool from_then_on;
  bool delay = false;
};
const Way kWays[] = {
    {"EIO", EIO, false},
    {"EIO from then on", EIO, true},
    {"ENOSPC", ENOSPC, false},
    {"EINTR", EINTR, false},
    {"ENOSPC from then on", ENOSPC, true},
    {"short", 0, false},
    {"short from then on", 0, true},
    {"delay", 0, false, true},
};
const std::pair<DiskCall, const char*> kCalls[] = {{DiskCall::kOpen, "open"},
                                                   {DiskCall::kCreate, "create"},
                                                   {DiskCall::kRename, "rename"},
                                                   {DiskCall::kRemove, "remove"},
                                                   {DiskCall::kMakeDirectory, "mkdir"},
                                                   {DiskCall::kRemoveDirectory, "rmdir"},
                                                   {DiskCall::kSyncDirectory, "fsync of a directory"},
                                                   {DiskCall::kList, "list"},
                                                   {DiskCall::kExists, "exists"},
                                                   {DiskCall::kFreeBytes, "free space"},
                                                   {DiskCall::kWrite, "write"},
                                                   {DiskCall::kRead, "read"},
                                                   {DiskCall::kSyncData, "fdatasync"},
                                                   {DiskCall::kSync, "fsync"},
                                                   {DiskCall::kAllocate, "allocate"},
                                                   {DiskCall::kTruncate, "truncate"},
                                                   {DiskCall::kSize, "size"},
                                                   {DiskCall::kLock, "lock"}};

// Nobody may notice: what is short is repeated, what is late is waited for, and so is a write that a signal interrupts.
bool must_not_show(DiskCall call, const Way& way) {
  const bool transfer = call == DiskCall::kWrite || call == DiskCall::kRead;
  return way.delay || (way.error_number == 0 && transfer) || (way.error_number == EINTR && transfer);
}

bool applies(DiskCall call, const Way& way) {
  const bool transfer = call == DiskCall::kWrite || call == DiskCall::kRead;
  return way.delay || way.error_number != 0 || transfer;
}

// Sets the fault up; `struck` counts deliveries of a delay, which is no fault of the disk's own.
void arm(FaultyFileSystem& disk, DiskCall call, const Way& way, std::uint64_t after, std::atomic<int>& struck) {
  if (!way.delay) {
    disk.fail({.call = call,
               .path_part = {},
               .after = after,
               .error_number = way.error_number,
               .bytes_max = 7,
               .from_then_on = way.from_then_on});
    return;
  }
  auto seen = std::make_shared<std::atomic<std::uint64_t>>(0);
  disk.on_call([=, &struck](DiskCall made, const std::string&) {
    if (made != call || (*seen)++ != after) return;
    ++struck;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // The fault itself: a slow disk.
  });
}

// Where the disk was only full, writes come back by themselves once it is not, within 5 s.
void must_come_back(StorageFixture& server, FaultyFileSystem& disk) {
  disk.heal();
  const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  absl::Status last;
  do {
    last = server.try_put("after", "the disk was full").status();
    if (last.ok()) return;
    std::this_thread::yield();  // A refusal comes at once, so this asks until it does.
  } while (std::chrono::steady_clock::now() < bound);
  FAIL("writes did not come back within 5 s: " << last.ToString());
}

// The calls that a disk without space refuses; a sync that fails is final, whatever its errno.
bool only_full(DiskCall call, const Way& way) {
  return way.error_number == ENOSPC && (call == DiskCall::kWrite || call == DiskCall::kAllocate);
}

// False when the workload makes fewer such calls.
bool strike(DiskCall call, const Way& way, std::uint64_t after) {
  FaultyFileSystem disk;
  std::atomic<int> struck{0};
  arm(disk, call, way, after, struck);
  WriteHistory history;
  {
    StorageFixture server;
    set_up_for_work(server);
    server.use(disk);
    const bool completed = work(server, history).completed();
    if (disk.faults_delivered() == 0 && struck == 0) return false;
    if (must_not_show(call, way)) CHECK(completed);
    TortureRun::get().count(completed ? "not_noticed" : "refused");
    if (!completed && only_full(call, way) && server.is_open()) {
      must_come_back(server, disk);
      history.writes.push_back({{{"after", "the disk was full"}}, server.clock_.now()});
      if (server.last_level() == Level::kDisk) history.safe = history.writes.size();
      TortureRun::get().count("came_back");
    }
  }
  for (const Survivors::Which which : {Survivors::Which::kNone, Survivors::Which::kAll}) {
    INFO((which == Survivors::Which::kNone ? "after a power cut" : "after a kill"));
    judge(*disk.after_crash({which, 0, 0, 0}), history);
  }
  return true;
}

TEST_CASE("faults: each call to the disk fails in each way, and what was promised is kept", "[faults]") {
  TortureRun& run = TortureRun::get();
  const std::uint64_t step = std::max<std::uint64_t>(run.options.cycles, 1);
  for (const auto& [call, call_name] : kCalls) {
    for (const Way& way : kWays) {
      if (!applies(call, way)) continue;
      for (std::uint64_t after = 0; !run.is_over(); after += step) {
        const std::string piece = fmt::format("{} number {}: {}", call_name, after + 1, way.name);
        INFO(piece);
        run.begin(piece);
        if (!strike(call, way, after)) break;
        run.count("struck");
        run.done();
      }
    }
  }
  CHECK((run.is_over() || run.counted("struck") > 100));
}

}  // namespace
}  // namespace kv
