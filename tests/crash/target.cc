#include "tests/crash/target.h"

#include <chrono>
#include <thread>

#include <signal.h>

#include "tests/crash/aim.h"

namespace kv::crash {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kBound{3000};

}  // namespace

void pause_up_to(milliseconds most, std::mt19937_64& random) {
  std::this_thread::sleep_for(std::chrono::microseconds(random() % static_cast<std::uint64_t>(most.count() * 1000)));
}

bool take_aim(RunningServer& server, Target target, std::mt19937_64& random) {
  const std::string& directory = server.data_directory();
  bool seen = true;
  milliseconds window{0};
  switch (target) {
    case Target::kSnapshot:
    case Target::kPublication: {
      const bool begin = target == Target::kSnapshot;
      SnapshotWatch watch(directory, begin ? SnapshotWatch::For::kBegin : SnapshotWatch::For::kName);
      server.signal(SIGUSR1);
      seen = watch.wait_for_next(kBound);
      window = milliseconds(begin ? 4 : 20);
      break;
    }
    case Target::kRotation:
      seen = RotationWatch(directory).wait_for_next(kBound);
      window = milliseconds(5);
      break;
    case Target::kWrite:
      return wait_for_large_write(directory, 128 << 10, kBound);
    case Target::kAnywhere:
      window = milliseconds(60);
      break;
  }
  pause_up_to(window, random);
  return seen;
}

}  // namespace kv::crash
