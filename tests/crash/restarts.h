// What is asked of every crash, whatever caused it: the dead server's log, what it left on disk, the next start, and
// the one after that, to which nobody wrote. Each must tell the same state, and nothing that the crash does not
// explain.
//
// Threads: one. Errors: std::runtime_error with all that was found and the server's log.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/crash/checker.h"
#include "tests/crash/evidence.h"
#include "tests/crash/history.h"
#include "tests/support/running_server.h"

namespace kv::crash {

class Restarts {
 public:
  explicit Restarts(History& history) : history_(history) {}

  // For messages.
  void begin_cycle(std::uint64_t cycle) { cycle_ = cycle; }

  // The server that was started last, by its log until now: its start may have cut a torn tail, and nothing else.
  void judge_life(RunningServer& server);
  // What kvstore_tool says of the directory: sound.
  Remains look(RunningServer& server);
  // The revisions that the dead server gave, up to those that are left.
  Numbers numbers(const Remains& remains) const { return {first_revision_, remains.revision}; }
  // Starts on what was looked at and reads everything.
  Check start_and_check(RunningServer& server, const Remains& remains, const Owed& owed);
  // Once more, after `end` has ended the server, to which nobody wrote: the same entries, no torn tail.
  Remains start_again(RunningServer& server, const std::function<void()>& end, const Check& before);
  // A clean one.
  void stop(RunningServer& server);

  std::uint64_t second_starts() const { return second_starts_; }
  void require(const std::vector<std::string>& findings, RunningServer& server) const;

 private:
  void start(RunningServer& server, const Remains& remains);

  History& history_;
  std::uint64_t cycle_ = 0;
  std::uint64_t second_starts_ = 0;
  // Of the server that was started last: the first revision that it gives, and what its start had to cut.
  std::uint64_t first_revision_ = 1;
  std::optional<TornTail> torn_;
};

}  // namespace kv::crash
