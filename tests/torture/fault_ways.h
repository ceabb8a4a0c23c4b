// The ways in which a call to the disk fails in the sweeps, and a fault that is set up on one disk.
//
// Hard part: a write that a full disk does not take is kept, and its writer with it, until there is space. Where the
// disk stays full, the fault itself makes room when a segment has been tried a second time: else nobody would.
//
// Threads: one; the faults strike on whatever thread calls the disk. Lifetime: the disk outlives a fault on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tests/support/faulty_file_system.h"

namespace kv {

struct Way {
  enum class Lasts { kOnce, kThousandTimes, kFromThenOn };
  std::string name;
  int error_number;  // 0: a short transfer, or a delay
  Lasts lasts = Lasts::kOnce;
  bool delay = false;
};
std::span<const Way> all_ways();

struct NamedCall {
  DiskCall call;
  const char* name;
};
std::span<const NamedCall> all_calls();

// The disk, or what its owner may use of it.
bool is_full(const Way& way);
// A call that transfers nothing cannot be short.
bool applies(DiskCall call, const Way& way);
// Nobody may notice: what is short is repeated, what is late is waited for, and so is what a signal interrupts.
bool must_not_show(DiskCall call, const Way& way);

class SetFault {
 public:
  // Strikes the call that comes after `after` others of its kind.
  SetFault(FaultyFileSystem& disk, DiskCall call, const Way& way, std::uint64_t after);
  bool struck() const { return disk_.faults_delivered() != 0 || *delays_ != 0; }
  // The call was the sync of a segment of the log that has been cut to what it holds: a prepared one has its full size.
  bool struck_closing() const;

 private:
  struct Closings;
  void set_delay(DiskCall call, const Way& way, std::uint64_t after);
  void make_room_later();
  void watch_closings();

  FaultyFileSystem& disk_;
  std::shared_ptr<std::atomic<std::uint64_t>> delays_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::shared_ptr<Closings> closings_;  // null where it is not asked: the disk has room for one hook
};

}  // namespace kv
