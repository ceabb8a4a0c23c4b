// `kvstore_bench search`: the highest rate at which a goal is still met, by open-loop runs at one rate after another.
//
// Threads: blocks. Exit: kDone with the rate on stdout; kGoalMissed when the first rate misses it already.
#pragma once

#include "bench/goal.h"
#include "bench/runner.h"

namespace kv {

BenchExit search(const RunOptions& options, const Goal& goal, double from, double to);

}  // namespace kv
