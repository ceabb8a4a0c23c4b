// A library to preload into a server: how long its syncs take, in a file that another process reads while they run.
//
// $KV_SYNC_TIMES names the file: a SyncTimes (tests/support/sync_times.h). Syncs of one thread that follow each other
// without a pause are one stretch: a sync of the log takes several calls where segments were closed meanwhile. Forked
// children do not count.
#include "tests/support/sync_times.h"

#include <cstdlib>
#include <ctime>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

constexpr std::int64_t kPauseNs = 2'000'000;

std::int64_t now() {
  timespec time;
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

kv::SyncTimes* map_times() {
  const char* path = std::getenv("KV_SYNC_TIMES");
  const int file = path == nullptr ? -1 : ::open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return nullptr;
  void* place = ::mmap(nullptr, sizeof(kv::SyncTimes), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  return place == MAP_FAILED ? nullptr : static_cast<kv::SyncTimes*>(place);
}

kv::SyncTimes* const times = map_times();
// The server's own process id, taken when this library is loaded.
const pid_t server = ::getpid();

kv::SyncTimes::Thread* mine() {
  if (times == nullptr || ::getpid() != server) return nullptr;
  thread_local const std::uint32_t place = times->threads_used.fetch_add(1);
  if (place >= kv::SyncTimes::kThreads) std::abort();  // A sync that is not seen would make the test too lenient.
  return &times->threads[place];
}

int timed(const char* name, int descriptor) {
  auto* const real = reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, name));
  kv::SyncTimes::Thread* thread = mine();
  if (thread == nullptr) return real(descriptor);
  const std::int64_t begin = now();
  if (begin - thread->end > kPauseNs) thread->stretch_begin = begin;
  thread->running = true;
  const int result = real(descriptor);
  const std::int64_t end = now();
  thread->end = end;
  thread->running = false;
  const std::int64_t took = end - thread->stretch_begin;
  std::int64_t slowest = times->slowest;
  while (took > slowest && !times->slowest.compare_exchange_weak(slowest, took)) {
  }
  ++times->syncs;
  return result;
}

}  // namespace

extern "C" {

int fsync(int descriptor) { return timed("fsync", descriptor); }
int fdatasync(int descriptor) { return timed("fdatasync", descriptor); }
}
