// The options of `run`, `search` and `verify` as the command line gives them, and what they amount to.
//
// Threads: plain data. Errors: INVALID_ARGUMENT naming the option.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "bench/load_worker.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's own
class App;
}

namespace kv {

struct RunTexts {
  std::string target, preset = "b", rate, arrivals = "poisson", duration = "30s", warm_up = "5s", api = "unary";
  std::string value_bytes = "64", distribution, durability = "default", deadline = "5s", load = "yes";
  std::string time_to_live;
  std::string label, json, hdr, ledger, series = "1s";
  int closed = 0, in_flight = 10000, threads = 1, channels = 4, depth = 0, repeat = 1;
  std::uint64_t keys = 100'000, key_bytes = 16, seed = 1;
  long server_process = 0;
  bool verify = false;

  // `with_load`: what says how much is sent; search finds that out itself.
  void add_to(CLI::App& command, bool with_load);
};

struct RunOptions {
  LoadPlan plan;
  bool load = true;
  bool verify = false;
  int repeat = 1;
  std::optional<pid_t> server_process;
  std::string label, json, hdr, ledger;
};

absl::StatusOr<RunOptions> resolve(const RunTexts& texts);
std::string_view name_of(Arrivals arrivals);
std::string_view name_of(kvstore::v1::Durability durability);

}  // namespace kv
