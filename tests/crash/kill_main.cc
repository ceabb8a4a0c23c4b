// kill_loop: tests/crash/kill_loop.h as a program. `./dev torture kill` runs it for every mode and policy.
#include <iostream>

#include "tests/crash/kill_loop.h"
#include "tests/crash/switching.h"

namespace kv::crash {
namespace {

template <class Loop>
int run(const KillOptions& options) {
  std::cout << fmt::format("kill_loop: mode {}, fsync {}, {} cycles, seed {}\n", options.mode, options.fsync,
                           options.cycles, options.seed);
  Loop loop(options);
  const bool passed = runs_to_its_end(
      options.seed, [&] { loop.run(); }, [&] { return "The data is kept in " + loop.directory(); });
  print({.suite = "kill",
         .variant = options.variant(),
         .cycles = loop.kills(),
         .seed = options.seed,
         .counts = loop.counts(),
         .passed = passed});
  return passed ? 0 : 1;
}

}  // namespace
}  // namespace kv::crash

int main(int argc, char** argv) {
  kv::crash::KillOptions options;
  CLI::App app(
      "Kills a server under load, again and again, and checks that it kept what its mode promises. Mode switching: "
      "from each to each, all the time.");
  app.add_option("--writes", options.writes, "writes acknowledged before each kill, at least")->capture_default_str();
  app.add_option("--writers", options.writers, "writers at the same time")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  app.add_option("--second-start-one-in", options.second_start_one_in,
                 "cycles of which one starts twice after its kill, and must serve the same")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  options.add_to(app, "how many kills", {"non_persistent", "snapshot", "aof", "hybrid", "switching"});
  CLI11_PARSE(app, argc, argv);
  options.use_server();
  if (options.mode == "switching") return kv::crash::run<kv::crash::SwitchingLoop>(options);
  return kv::crash::run<kv::crash::KillLoop>(options);
}
