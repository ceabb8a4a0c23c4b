// A client that switches the mode of a loaded server, again and again, each time waiting for ACTIVE. From each mode it
// takes the way that it has taken least often, so that all twelve are taken; between two switches the mode rests for
// some milliseconds, so that writes get its own promise.
//
// Threads:  one of its own; the calls below from the thread that made it.
// Lifetime: stop() joins; the destructor stops. History and Ways outlive it.
// Errors:   a switch that fails before expect_death() is a finding.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/crash/history.h"

namespace kv::crash {

// Modes are called as MANIFEST calls them.
inline const std::vector<std::string> kModes = {"NON_PERSISTENT", "SNAPSHOT", "AOF", "HYBRID"};

using Way = std::pair<std::string, std::string>;  // from, to
// How often each was taken.
using Ways = std::map<Way, std::uint64_t>;

// Asks for a mode and waits until its promise holds. What went wrong, or an empty text; a switch to the same mode that
// is under way is joined.
std::string switch_mode(const std::string& target, const std::string& mode);

class Switcher {
 public:
  // What a client knows: the mode of the last answer, and the one asked for since.
  struct Known {
    std::string mode;
    std::optional<std::string> next;
  };

  Switcher(std::string target, std::string mode, History& history, Ways& ways, std::uint64_t seed);
  ~Switcher();

  // Until so many switches have begun, counted from the first; false when they have not within the bound.
  bool wait_until_begun(std::uint64_t count, std::chrono::seconds bound);
  // Until the switch that is under way, or the next one, was answered.
  bool wait_for_end(std::chrono::seconds bound);
  // No switch begins from now on, and the one that is under way may fail.
  void expect_death();
  void stop();

  Known known() const;
  std::uint64_t begun() const;
  // Of the last one that was answered.
  std::chrono::microseconds duration() const;
  std::vector<std::string> findings() const;

 private:
  void run();
  std::optional<std::string> begin();
  void rest();
  void end(const std::string& problem, std::chrono::microseconds took);

  const std::string target_;
  History& history_;
  Ways& ways_;
  std::mt19937_64 random_;
  mutable std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  bool dying_ = false;
  Known known_;
  std::uint64_t begun_ = 0;
  std::uint64_t ended_ = 0;
  std::chrono::microseconds duration_{30'000};
  std::vector<std::string> findings_;
  std::thread thread_;
};

}  // namespace kv::crash
