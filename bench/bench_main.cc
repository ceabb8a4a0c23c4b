// kvstore_bench: how fast a server answers, what an answer costs it, and whether it keeps what it acknowledged.
#include <cstdlib>
#include <iostream>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/compare.h"
#include "bench/run_options.h"
#include "bench/runner.h"
#include "bench/search.h"
#include "bench/selftest.h"
#include "core/absl_text.h"

namespace kv {
namespace {

BenchExit usage(const absl::Status& why) {
  std::cerr << "kvstore_bench: " << message_of(why) << '\n';
  return BenchExit::kUsage;
}

struct SearchTexts {
  std::string goal;
  double from = 1000;
  double to = 1e6;
};

struct CompareTexts {
  std::string before, after, threshold = "5%";
};

struct VerifyTexts {
  std::string ledger, target;
};

struct Texts {
  RunTexts run, searched;
  SearchTexts search;
  CompareTexts compare;
  VerifyTexts verify;
};

void add_commands(CLI::App& app, Texts& texts) {
  CLI::App* run = app.add_subcommand("run", "one workload: an open loop at a rate, or a closed loop");
  texts.run.add_to(*run, true);

  CLI::App* search = app.add_subcommand("search", "the highest rate at which a goal is met");
  search->add_option("--goal", texts.search.goal, "p99=2ms, or several: p50=1ms,p99.9=20ms,errors=0")->required();
  search->add_option("--from", texts.search.from, "first rate")->check(CLI::Range(1.0, 1e8))->capture_default_str();
  search->add_option("--to", texts.search.to, "last rate")->check(CLI::Range(1.0, 1e8))->capture_default_str();
  texts.searched.duration = "5s";
  texts.searched.warm_up = "1s";
  texts.searched.add_to(*search, false);

  CLI::App* compare = app.add_subcommand("compare", "two results of `run --json`: is the second one worse?");
  compare->add_option("A", texts.compare.before, "result before")->required();
  compare->add_option("B", texts.compare.after, "result after")->required();
  compare->add_option("--threshold", texts.compare.threshold, "what a figure may be worse by")->capture_default_str();

  CLI::App* verify =
      app.add_subcommand("verify", "read every key of a ledger of `run --verify`: nothing may be missing");
  verify->add_option("LEDGER", texts.verify.ledger, "the file that --ledger named")->required();
  verify->add_option("--target", texts.verify.target, "HOST:PORT or unix:PATH; 127.0.0.1:50051 when not given");

  app.add_subcommand("selftest", "measure a server whose percentiles are known");
}

BenchExit start_run(const RunTexts& texts, const std::string& command) {
  const auto options = resolve(texts);
  return options.ok() ? run(*options, command) : usage(options.status());
}

BenchExit start_search(const SearchTexts& texts, const RunTexts& run_texts, const std::string& command) {
  auto goal = parse_goal(texts.goal);
  if (!goal.ok()) return usage(goal.status());
  if (texts.from > texts.to) return usage(absl::InvalidArgumentError("--from is above --to"));
  const auto options = resolve(run_texts);
  if (!options.ok()) return usage(options.status());
  return search(*options, {*std::move(goal), texts.from, texts.to, command});
}

BenchExit start_compare(const CompareTexts& texts) {
  const auto threshold = parse_share(texts.threshold);
  return threshold.ok() ? compare_files(texts.before, texts.after, *threshold) : usage(threshold.status());
}

BenchExit start(const CLI::App& app, const Texts& texts, const std::string& command) {
  if (app.got_subcommand("run")) return start_run(texts.run, command);
  if (app.got_subcommand("search")) return start_search(texts.search, texts.searched, command);
  if (app.got_subcommand("compare")) return start_compare(texts.compare);
  if (app.got_subcommand("verify")) return verify(texts.verify.ledger, texts.verify.target);
  return selftest();
}

}  // namespace
}  // namespace kv

int main(int argc, char** argv) {
  setenv("GRPC_VERBOSITY", "NONE", 0);  // What fails is in the result, in our words.
  CLI::App app("Measures a server: rates, latencies, its CPU time for each operation, and whether it keeps its word.");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("kvstore_bench ") + KV_VERSION);
  kv::Texts texts;
  kv::add_commands(app, texts);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? EXIT_SUCCESS : static_cast<int>(kv::BenchExit::kUsage);
  }
  std::string command = "kvstore_bench";
  for (int i = 1; i < argc; ++i) command += fmt::format(" {}", argv[i]);
  return static_cast<int>(kv::start(app, texts, command));
}
