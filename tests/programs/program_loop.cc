// program_loop: random programs of kvstore.v1 against a real server that is killed, stopped and started in between, and
// against a model that is a map. Every answer must be the model's.
//
// A program is fixed by its seed: `--seed S --cycles 1` runs again what "FAILED (seed S)" speaks of, restarts included.
#include <exception>
#include <filesystem>
#include <iostream>

#include <unistd.h>

#include "tests/programs/program.h"
#include "tests/support/server_torture.h"

namespace kv::programs {
namespace {

struct Options : ServerTortureOptions {
  Options() {
    cycles = 200;
    fsync = "never";
  }
  ProgramOptions program;
};

v1::Durability level_of(const Options& options) {
  if (!options.program.has_log) return v1::DURABILITY_MEMORY;
  return options.fsync == "always" ? v1::DURABILITY_DISK : v1::DURABILITY_OS;
}

int run(Options options) {
  options.program.has_log = options.mode != "snapshot";
  options.program.survives_kill = options.program.has_log;
  options.program.level = level_of(options);
  const std::string directory =
      fmt::format("{}/programs-{}-{}-{}", options.work_directory, options.mode, options.fsync, ::getpid());
  std::cout << fmt::format("programs: mode {}, fsync {}, {} programs of {} steps, seeds from {}\n", options.mode,
                           options.fsync, options.cycles, options.program.steps, options.seed);
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);

  std::map<std::string, std::uint64_t> counts;
  std::uint64_t done = 0;
  std::uint64_t floor = 0;
  std::string failed;
  const TortureTime time(options.seconds);
  Target target(directory, {"--mode", options.mode, "--fsync", options.fsync, "--snapshot-interval", "1s",
                            "--log-segment-size", "1MiB", "--log-rewrite-min-size", "1MiB"});
  while (done < options.cycles && !time.is_over() && failed.empty()) {
    const std::uint64_t seed = options.seed + done;
    Program program(seed, options.program, target, floor, counts);
    try {
      program.run();
      ++done;
    } catch (const std::exception& wrong) {
      failed = fmt::format(
          "FAILED (seed {}): {}\nThe program, its last step is the wrong one:\n{}The server:\n{}\n"
          "The data is kept in {}\n",
          seed, wrong.what(), program.trace(), target.log(), directory);
    }
  }
  if (failed.empty() && target.stop() != 0) failed = "FAILED: the server did not stop cleanly\n" + target.log();
  if (failed.empty()) std::filesystem::remove_all(directory);
  std::cout << failed;
  std::vector<std::pair<std::string, std::uint64_t>> pairs;
  for (const auto& [name, count] : counts) pairs.emplace_back(name, count);
  print({.suite = "programs",
         .variant = options.variant(),
         .cycles = done,
         .seed = options.seed,
         .counts = pairs,
         .passed = failed.empty()});
  return failed.empty() ? 0 : 1;
}

}  // namespace
}  // namespace kv::programs

int main(int argc, char** argv) {
  kv::programs::Options options;
  CLI::App app("Random programs of kvstore.v1, judged by a model, with restarts in between.");
  app.add_option("--steps", options.program.steps, "of one program")->check(CLI::Range(1, 100000));
  app.add_option("--restart-one-in", options.program.restart_one_in, "steps")->check(CLI::Range(1, 1000000));
  options.add_to(app, "how many programs", {"snapshot", "aof", "hybrid"});
  CLI11_PARSE(app, argc, argv);
  options.use_server();
  return kv::programs::run(std::move(options));
}
