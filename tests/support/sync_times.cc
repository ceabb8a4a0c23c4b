#include "tests/support/sync_times.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace kv {

SyncClock::SyncClock() {
  const int file = ::open(folder_.file("times").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  void* place = MAP_FAILED;
  if (file >= 0 && ::ftruncate(file, sizeof(SyncTimes)) == 0) {
    place = ::mmap(nullptr, sizeof(SyncTimes), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  }
  if (file >= 0) ::close(file);
  if (place == MAP_FAILED) throw std::runtime_error("cannot share memory for the times of syncs");
  times_ = static_cast<SyncTimes*>(place);
}

SyncClock::~SyncClock() { ::munmap(times_, sizeof(SyncTimes)); }

std::map<std::string, std::string> SyncClock::environment() const {
  return {{"LD_PRELOAD", KV_SYNC_TIMES_LIBRARY}, {"KV_SYNC_TIMES", folder_.file("times")}};
}

void SyncClock::reset() { std::memset(static_cast<void*>(times_), 0, sizeof(SyncTimes)); }

std::chrono::nanoseconds SyncClock::slowest(std::chrono::steady_clock::time_point moment) const {
  if (times_->threads_used == 0) throw std::runtime_error("no sync of the server was seen");
  const std::int64_t until = std::chrono::duration_cast<std::chrono::nanoseconds>(moment.time_since_epoch()).count();
  std::int64_t slowest = times_->slowest;
  for (const SyncTimes::Thread& thread : times_->threads) {
    if (thread.running) slowest = std::max(slowest, until - thread.stretch_begin);
  }
  return std::chrono::nanoseconds(slowest);
}

}  // namespace kv
