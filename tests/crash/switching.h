// kill_loop --mode switching: kills a server whose mode is being switched under load, by all twelve ways.
//
// Each cycle: writers write and a client switches modes; the kill comes at a random moment of a switch, while a
// snapshot child lives, or at any moment. What is left must be the old mode's or the new one's, and keep the word of
// that mode:
//
//   the mode       the one of the last answer, or the one asked for since. No third one, and not the new one before it
//                  was asked for
//   NON_PERSISTENT nothing
//   else           the exact state at one revision, which is no older than any change that was promised: an answer said
//                  OS or DISK of it, or a switch was answered that promises it: one into SNAPSHOT what had been
//                  answered before it was asked for, one into AOF or HYBRID all that had been answered before its OK
//
// Then the server starts, finishes the switch that MANIFEST records, and, in one cycle of three, starts once more: in
// the mode that it said.
//
// Threads: one, and those of writers and switcher. Errors: run() throws what it finds; the data directory then stays.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/crash/kill_loop.h"
#include "tests/crash/switcher.h"

namespace kv::crash {

class SwitchingLoop {
 public:
  explicit SwitchingLoop(const KillOptions& options);

  void run();
  const std::string& directory() const { return directory_; }
  // By name, for the result.
  std::vector<std::pair<std::string, std::uint64_t>> counts() const;
  std::uint64_t kills() const { return kills_; }

 private:
  void one_cycle(RunningServer& server, std::uint64_t cycle);
  void load(RunningServer& server, Workload& workload, Switcher& switcher);
  void take_aim(RunningServer& server, Switcher& switcher, std::uint64_t cycle);
  Owed judge_mode(RunningServer& server, const Switcher::Known& known, const Remains& remains);
  void note_kill(const Switcher::Known& known, const Remains& remains);
  void start_twice(RunningServer& server, std::uint64_t cycle, const Remains& remains, const Owed& owed);
  std::string finish_switch(RunningServer& server, const Remains& remains);
  void check_hits() const;

  const KillOptions options_;
  std::mt19937_64 random_;
  const std::string directory_;
  History history_;
  Restarts restarts_{history_};
  std::string mode_ = "HYBRID";  // of the server that runs
  Ways begun_;
  Ways killed_;
  std::uint64_t kills_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t open_ = 0;
  std::uint64_t in_switch_ = 0;
  std::uint64_t after_switch_ = 0;
  std::uint64_t in_snapshot_ = 0;
  std::uint64_t old_mode_ = 0;
  std::uint64_t new_mode_ = 0;
  std::uint64_t recorded_ = 0;  // by MANIFEST, for the start to finish
};

}  // namespace kv::crash
