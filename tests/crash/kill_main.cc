// kill_loop: tests/crash/kill_loop.h as a program. `./dev torture kill` runs it for every mode and policy.
#include <cstdlib>
#include <exception>
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
  bool passed = false;
  try {
    loop.run();
    passed = true;
  } catch (const std::exception& failure) {
    std::cout << fmt::format("FAILED (seed {}): {}\nThe data is kept in {}\n", options.seed, failure.what(),
                             loop.directory());
  }
  const bool has_policy = options.mode == "aof" || options.mode == "hybrid" || options.mode == "switching";
  print({.suite = "kill",
         .variant = has_policy ? options.mode + " " + options.fsync : options.mode,
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
  std::string server;
  CLI::App app("Kills a server under load, again and again, and checks that it kept what its mode promises.");
  app.add_option("--server", server, "the server's binary (default: the one of this build)");
  app.add_option("--mode", options.mode,
                 "non_persistent, snapshot, aof or hybrid; switching: from each to each, all the time")
      ->capture_default_str()
      ->check(CLI::IsMember({"non_persistent", "snapshot", "aof", "hybrid", "switching"}));
  app.add_option("--fsync", options.fsync, "always, interval or never; where there is a log")
      ->capture_default_str()
      ->check(CLI::IsMember({"always", "interval", "never"}));
  app.add_option("--writes", options.writes, "writes acknowledged before each kill, at least")->capture_default_str();
  app.add_option("--writers", options.writers, "writers at the same time")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  app.add_option("--second-start-one-in", options.second_start_one_in,
                 "cycles of which one starts twice after its kill, and must serve the same")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--work-directory", options.work_directory, "where the data directory is made")->capture_default_str();
  options.add_to(app, "how many kills");
  CLI11_PARSE(app, argc, argv);
  if (!server.empty()) ::setenv("KVSTORE_SERVER", server.c_str(), 1);
  if (options.mode == "switching") return kv::crash::run<kv::crash::SwitchingLoop>(options);
  return kv::crash::run<kv::crash::KillLoop>(options);
}
