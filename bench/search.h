// `kvstore_bench search`: the highest rate at which a goal is still met, by open-loop runs at one rate after another.
//
// Threads: blocks. Exit: kDone with the rate on stdout; kGoalMissed when the first rate misses it already.
#pragma once

#include <string>

#include "bench/goal.h"
#include "bench/runner.h"

namespace kv {

struct SearchPlan {
  Goal goal;
  double from = 0;  // operations a second
  double to = 0;
  std::string command;  // as typed
};

BenchExit search(const RunOptions& options, const SearchPlan& plan);

}  // namespace kv
