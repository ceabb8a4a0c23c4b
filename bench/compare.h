// `kvstore_bench compare A.json B.json`: whether B is worse than A by more than a threshold.
//
// Hard part: noise. Where the runs of both overlap, what their medians differ by is no finding: it is shown, and is no
// regression. With one run each there is no spread, and the threshold decides alone.
//
// Threads: free functions. Errors: a file that is no result of `run` names itself.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "bench/runner.h"

namespace kv {

struct Comparison {
  std::string text;
  bool regression = false;
};

// `threshold`: a share, 0.05 for 5 %.
absl::StatusOr<Comparison> compare(const nlohmann::ordered_json& before, const nlohmann::ordered_json& after,
                                   double threshold);

// "5%" or "0.05".
absl::StatusOr<double> parse_share(std::string_view text);

BenchExit compare_files(const std::string& before, const std::string& after, double threshold);

}  // namespace kv
