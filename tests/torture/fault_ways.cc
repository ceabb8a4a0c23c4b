#include "tests/torture/fault_ways.h"

#include <cerrno>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

namespace kv {
namespace {

using Lasts = Way::Lasts;

constexpr std::uint64_t kInterruptions = 1000;
constexpr std::size_t kShortBytes = 7;
constexpr std::size_t kShortBytesAlways = 997;  // Large values would take for ever by seven.

bool is_transfer(DiskCall call) { return call == DiskCall::kWrite || call == DiskCall::kRead; }

}  // namespace

// Paths, by the last call that was made on them before the fault struck.
struct SetFault::Closings {
  std::mutex mutex;
  std::set<std::string> cut;
  std::set<std::string> synced_when_cut;
};

std::span<const Way> all_ways() {
  static const Way ways[] = {
      {"EIO", EIO},
      {"EIO from then on", EIO, Lasts::kFromThenOn},
      {"ENOSPC", ENOSPC},
      {"ENOSPC from then on", ENOSPC, Lasts::kFromThenOn},
      {"EDQUOT", EDQUOT},
      {"EDQUOT from then on", EDQUOT, Lasts::kFromThenOn},
      {"EAGAIN", EAGAIN},
      {"EINTR", EINTR},
      {"EINTR a thousand times", EINTR, Lasts::kThousandTimes},
      {"short", 0},
      {"short from then on", 0, Lasts::kFromThenOn},
      {"delay", 0, Lasts::kOnce, true},
      {"delay from then on", 0, Lasts::kFromThenOn, true},
  };
  return ways;
}

std::span<const NamedCall> all_calls() {
  static const NamedCall calls[] = {{DiskCall::kOpen, "open"},
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
  return calls;
}

bool is_full(const Way& way) { return way.error_number == ENOSPC || way.error_number == EDQUOT; }

bool applies(DiskCall call, const Way& way) { return way.delay || way.error_number != 0 || is_transfer(call); }

bool must_not_show(DiskCall call, const Way& way) {
  if (way.delay) return true;
  if (way.error_number == 0) return is_transfer(call);
  return way.error_number == EINTR && (is_transfer(call) || call == DiskCall::kAllocate);
}

SetFault::SetFault(FaultyFileSystem& disk, DiskCall call, const Way& way, std::uint64_t after) : disk_(disk) {
  if (way.delay) {
    set_delay(call, way, after);
    return;
  }
  const bool always = way.lasts == Lasts::kFromThenOn;
  if (always && is_full(way) && call == DiskCall::kWrite) make_room_later();
  if (call == DiskCall::kSync) watch_closings();
  disk.fail({.call = call,
             .path_part = {},
             .after = after,
             .error_number = way.error_number,
             .bytes_max = always ? kShortBytesAlways : kShortBytes,
             .from_then_on = always,
             .times = way.lasts == Lasts::kThousandTimes ? kInterruptions : 1});
}

// A delay is no fault of the disk's own, so it is counted here.
void SetFault::set_delay(DiskCall call, const Way& way, std::uint64_t after) {
  const bool always = way.lasts == Lasts::kFromThenOn;
  const std::chrono::milliseconds late(always ? 1 : 5);
  auto seen = std::make_shared<std::atomic<std::uint64_t>>(0);
  disk_.on_call([=, delays = delays_](DiskCall made, const std::string&) {
    if (made != call) return;
    const std::uint64_t before = (*seen)++;
    if (before < after || (before > after && !always)) return;
    ++*delays;
    std::this_thread::sleep_for(late);  // The fault itself: a slow disk.
  });
}

void SetFault::make_room_later() {
  auto refused = std::make_shared<std::atomic<int>>(0);
  disk_.on_call([&disk = disk_, refused](DiskCall made, const std::string& path) {
    if (made != DiskCall::kWrite || !path.ends_with(".aof") || disk.faults_delivered() == 0) return;
    if (++*refused > 1) disk.heal();
  });
}

void SetFault::watch_closings() {
  closings_ = std::make_shared<Closings>();
  disk_.on_call([&disk = disk_, seen = closings_](DiskCall made, const std::string& path) {
    if (!path.ends_with(".aof") || disk.faults_delivered() != 0) return;
    std::lock_guard lock(seen->mutex);
    if (made == DiskCall::kCreate) seen->cut.erase(path);
    if (made == DiskCall::kTruncate) seen->cut.insert(path);
    if (made == DiskCall::kSync && seen->cut.contains(path)) seen->synced_when_cut.insert(path);
  });
}

bool SetFault::struck_closing() const {
  if (closings_ == nullptr) return false;
  std::lock_guard lock(closings_->mutex);
  return closings_->synced_when_cut.contains(disk_.struck_path());
}

}  // namespace kv
