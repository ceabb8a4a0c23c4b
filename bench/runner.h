// `kvstore_bench run` and `verify`: load, measure as often as was asked for, check, and tell.
//
// Threads: block. Errors: told on stderr; the exit code says of what kind.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "bench/result_json.h"
#include "bench/run_options.h"

namespace kv {

// An interface (docs/bench.md): they do not change.
enum class BenchExit : int {
  kDone = 0,
  kFailed = 1,  // also: more than 1 % of the operations did
  kUsage = 2,
  kGoalMissed = 3,  // or saturated
  kRegression = 4,
  kVerifyFailed = 8,
};

std::FILE* progress_terminal();  // null: stderr is none

// Sets all keys when the options say so; `ledger` may be null.
absl::Status load(const RunOptions& options, Ledger* ledger);

BenchExit run(const RunOptions& options, const std::string& command);

// Reads every key of a ledger that `run --verify --ledger` left, and says what is missing.
BenchExit verify(const std::string& ledger, const std::string& target);

BenchExit fail(const absl::Status& why);

}  // namespace kv
