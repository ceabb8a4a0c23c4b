// Kills the real server with SIGKILL under load, starts it again, and checks that it kept its word: that of its mode.
//
// Each cycle: writers run until at least `writes` were acknowledged; the kill comes at the moment aimed at;
// kvstore_tool says what a start will serve; the server starts on what is left; every key is read, judged by the
// History, and held against what the tool said. Then that server, to which nobody wrote, is killed or stopped, and the
// next one must serve the same. No log of any of them may hold a warning that the crash does not explain.
//
//   AOF, HYBRID       nothing is lost, under every fsync policy: the page cache survives a process. Two kills in six
//                     come while a snapshot runs, two right after a rotation, one in the middle of a large write, one
//                     at a random moment.
//   SNAPSHOT          the state is exactly that of the cut that MANIFEST names, and no cut is older than the one
//   before.
//                     Kills come while a snapshot is written, right after one was given its name, and at random.
//   NON_PERSISTENT    nothing is left, and no revision is given twice.
//
// But for NON_PERSISTENT the state is the exact one at a revision, over all keys, open writes included (prefix.h).
// The run also fails when too few kills hit what they were meant to hit. The seed fixes what is written and how long
// the aim waits, not how the threads interleave.
//
// Threads: one, and those of its workload. Errors: run() throws what it finds; the data directory then stays.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/crash/checker.h"
#include "tests/crash/history.h"
#include "tests/crash/restarts.h"
#include "tests/crash/target.h"
#include "tests/crash/workload.h"
#include "tests/support/running_server.h"
#include "tests/support/server_torture.h"

namespace kv::crash {

struct KillOptions : ServerTortureOptions {
  KillOptions() { cycles = 6; }
  std::uint64_t writes = 500;
  unsigned writers = 8;
  std::uint64_t second_start_one_in = 3;  // cycles
};

// A server with small segments and snapshots every second, so that something is always going on.
ServerOptions busy_server(const std::string& directory, const std::string& mode, const std::string& fsync);

class KillLoop {
 public:
  explicit KillLoop(const KillOptions& options);

  void run();
  const std::string& directory() const { return directory_; }
  // By name, for the result.
  std::vector<std::pair<std::string, std::uint64_t>> counts() const;
  std::uint64_t kills() const { return kills_; }

 private:
  // What a kill was aimed at and has hit, as the files that are left tell it; and how many of the cycles must.
  struct Hits {
    Target target;
    std::string name;
    std::uint64_t one_in;
    std::uint64_t count = 0;
  };

  bool has_log() const { return options_.mode == "aof" || options_.mode == "hybrid"; }
  void one_cycle(RunningServer& server, std::uint64_t cycle, Target target);
  void load(RunningServer& server, Workload& workload, std::uint64_t cycle);
  Owed note_kill(std::int64_t killed_at, const Remains& remains);
  void note(Target target, const std::string& text);
  void stop_and_check(RunningServer& server);
  std::optional<Target> missing_hit() const;
  std::string minimums() const;

  const KillOptions options_;
  std::mt19937_64 random_;
  const std::string directory_;
  History history_;
  Restarts restarts_{history_};
  std::vector<Hits> hits_;
  std::uint64_t kills_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t open_ = 0;
  std::uint64_t given_up_ = 0;  // acknowledged writes above a cut, which the mode may lose
  std::uint64_t last_cut_ = 0;
  std::string last_hits_;
};

}  // namespace kv::crash
