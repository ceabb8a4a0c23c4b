// What the server has done to its log so far, as it says itself: how often it synced, and how many changes shared a
// write; and its snapshots.
//
// Hard part: to be away between two questions. The library's waiting threads of one process take turns at one poller,
// and a client that only waits would be woken for a load's answers and hand each of them over to the thread that they
// are for: a quarter of the CPU time of a pipeline's load was that. So each question has a client of its own.
//
// Threads:  ask() blocks for two calls, from one thread at a time.
// Errors:   a server that does not tell (another kind, one without a log, one that is gone) gives nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "bench/caller.h"

namespace kv {

struct LogFigures {
  std::uint64_t fsyncs = 0;
  std::uint64_t writes = 0;   // of the file
  std::uint64_t records = 0;  // in them: changes and transactions
  std::uint64_t bytes = 0;    // that a restart would read
  std::int64_t started = 0;   // since when it counts: its start in nanoseconds of Unix
  std::uint64_t snapshots = 0;
  double snapshot_seconds = 0;  // of the last one

  // Records of a write; 0 when there was none.
  double mean_group() const;
};
// What happened between the two; `bytes` are those at the end. None when another server answers there by now, or
// the same one was started again: nobody knows what the first one did in the end.
std::optional<LogFigures> between(const LogFigures& before, const LogFigures& after);

class ServerLog {
 public:
  explicit ServerLog(CallerOptions options) : options_(std::move(options)) {}
  std::optional<LogFigures> ask() const;

 private:
  CallerOptions options_;
};

}  // namespace kv
