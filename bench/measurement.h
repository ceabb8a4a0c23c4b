// One measured run: workers sent off together, the server's process and log looked at when the measured time begins and
// ends.
//
// Threads: measure() blocks; it makes a thread and a queue for each worker.
// Errors:  a server process that goes away in between: then there are no figures of it. Failed operations are results.
#pragma once

#include <optional>

#include <sys/types.h>

#include "absl/status/statusor.h"
#include "bench/load_worker.h"
#include "bench/server_log.h"
#include "bench/server_process.h"
#include "core/progress.h"

namespace kv {

struct ServerUse {
  ProcessUse before;
  ProcessUse after;
  std::uint64_t operations = 0;  // answered between the two

  // Microseconds of all its threads, for each operation.
  double cpu_each() const;
};

struct Measurement {
  Record record;
  std::chrono::nanoseconds duration{};
  bool open = true;
  std::optional<ServerUse> server;
  std::optional<LogFigures> log;          // what the server did to it meanwhile
  std::chrono::nanoseconds client_cpu{};  // of this process, in the same time

  double intended_rate() const;
  double achieved_rate() const;  // of what was answered well, in time
  // Of what was answered well meanwhile, also what the warm-up had left over.
  double answered_rate() const;
  // An open loop that fell behind its schedule by more than 1 %: its latencies say more of the length of the run than
  // of the server. A closed loop has no schedule.
  bool saturated() const;
  // Neither of what was intended in the measured time nor, in it, of what was intended before: nobody is there. A
  // server that is still at the warm-up is saturated.
  bool answered_nothing() const;
  // More than 1 % of what was answered: the other figures are those of the rest, and of a server that is not well.
  bool failing() const;
};

Measurement measure(const LoadPlan& plan, KeySpace& keys, Ledger* ledger, std::optional<pid_t> server,
                    Progress& progress);

}  // namespace kv
