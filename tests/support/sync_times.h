// The times that syncs of a server take, seen from outside: by a library that is preloaded into it
// (tests/support/faults/sync_times.cc) and writes them into memory that both share.
//
// A power cut ends syncs that are under way, which no metric of the server ever tells: they count here as far as they
// got.
//
// Threads: one reads; those of the server write. Lifetime: outlives the server. Units: nanoseconds of CLOCK_MONOTONIC,
// which is std::chrono::steady_clock of every process. Errors: std::runtime_error.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "tests/support/temp_directory.h"

namespace kv {

// What lies in the shared memory. All zero at first.
struct SyncTimes {
  static constexpr std::size_t kThreads = 64;
  // One that syncs.
  struct Thread {
    std::atomic<std::int64_t> stretch_begin;  // of syncs without a pause between them
    std::atomic<std::int64_t> end;            // of the last one
    std::atomic<bool> running;
  };
  std::atomic<std::uint32_t> threads_used;
  std::atomic<std::uint64_t> syncs;
  std::atomic<std::int64_t> slowest;  // stretch
  std::array<Thread, kThreads> threads;
};

class SyncClock {
 public:
  SyncClock();
  ~SyncClock();
  SyncClock(const SyncClock&) = delete;
  SyncClock& operator=(const SyncClock&) = delete;

  // For the server: ServerOptions::environment.
  std::map<std::string, std::string> environment() const;
  // Forgets everything; no server runs.
  void reset();

  // The longest stretch of syncs until `moment`, those that are still under way included. Throws when none was seen:
  // the library is not loaded then.
  std::chrono::nanoseconds slowest(std::chrono::steady_clock::time_point moment) const;

 private:
  TempDirectory folder_;
  SyncTimes* times_ = nullptr;
};

}  // namespace kv
