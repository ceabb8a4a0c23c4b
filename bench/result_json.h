// A result as JSON: docs/bench.md has the fields. compare reads it back.
//
// Threads: free functions.
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "bench/measurement.h"
#include "bench/run_options.h"

namespace kv {

inline constexpr int kResultSchema = 1;

struct RunResult {
  RunOptions options;
  std::string command;  // as typed
  std::string time;
  nlohmann::ordered_json client;
  nlohmann::ordered_json server;
  std::vector<Measurement> runs;  // one at least
  VerifyRecord final_check;       // of --verify: all keys, after the runs

  bool saturated() const;  // any of them
  VerifyRecord verify() const;
  // The run in the middle: by p99 of an open loop, by rate of a closed one.
  const Measurement& middle() const;
};

// Median, least and most over the runs.
struct Spread {
  double median = 0;
  double least = 0;
  double most = 0;
};
Spread spread_of(std::vector<double> values);

// The figures that repeats are compared by, in the order in which they are shown: name and one value a run.
std::vector<std::pair<std::string, std::vector<double>>> figures(const std::vector<Measurement>& runs);

// Every option as it was resolved.
nlohmann::ordered_json workload_json(const RunOptions& options);
nlohmann::ordered_json to_json(const RunResult& result);

}  // namespace kv
