// What one run of an in-process torture program was asked for and what it counts: cases of Catch2 have no arguments.
//
// Hard part: a hang must fail, not wait. Each piece of work says when it begins; a watchdog ends the process, with the
// name of the piece, when the next does not begin in time.
//
// Threads: count() and begin() from the test's thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/torture.h"

namespace kv {

class TortureRun {
 public:
  static TortureRun& get();

  TortureOptions options;

  // Whether the time that was given is over; asked for the next piece, so that a run which ended early is known.
  bool is_over() {
    stopped_early_ = stopped_early_ || (time_ && time_->is_over());
    return stopped_early_;
  }
  std::vector<std::string> only;  // of an enumeration, the pieces with all of these in their name

  // Of an enumeration that does one piece in n: whether it does this one.
  bool takes(const std::string& piece) {
    for (const std::string& part : only) {
      if (piece.find(part) == piece.npos) return false;
    }
    return enumerated_++ % step() == 0;
  }
  bool stopped_early() const { return stopped_early_; }
  // What an enumeration goes through, where that is not calls.
  void goes_through(std::string things) { things_ = std::move(things); }
  // Every n-th call of an enumeration.
  std::uint64_t step() const { return std::max<std::uint64_t>(options.cycles, 1); }
  // What tells rows of the table apart: one that went through all calls from one that did not.
  std::string variant(bool enumerates) const;
  void start();
  void begin(std::string piece);
  void count(const std::string& name, std::uint64_t more = 1) { counts_[name] += more; }
  std::uint64_t counted(const std::string& name) const;
  // A piece that did what it is for.
  void done() { ++pieces_; }
  std::uint64_t pieces() const { return pieces_; }
  std::vector<std::pair<std::string, std::uint64_t>> counts() const { return {counts_.begin(), counts_.end()}; }
  void stop();

 private:
  void watch();

  std::optional<TortureTime> time_;
  std::map<std::string, std::uint64_t> counts_;
  std::uint64_t pieces_ = 0;
  std::uint64_t enumerated_ = 0;
  bool stopped_early_ = false;
  std::string things_ = "call";
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::string piece_;
  std::uint64_t generation_ = 0;
  bool stopping_ = false;
  std::thread watchdog_;
};

}  // namespace kv
