// kill_loop: kills the real server with SIGKILL under load, starts it again, and checks that it kept its word.
//
// Each cycle: writers run until at least --writes were acknowledged; the kill comes in a third of the cycles while a
// snapshot runs, in a third right after a rotation, else in the middle of a large write or at a random moment; the
// server starts on what is left; every key is read and judged by the History. The run also fails when too few kills hit
// what they were meant to hit. The seed is printed: it fixes what is written and how long the aim waits, not how the
// threads interleave.

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <random>
#include <regex>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tests/crash/aim.h"
#include "tests/crash/checker.h"
#include "tests/crash/history.h"
#include "tests/crash/workload.h"
#include "tests/support/running_server.h"

namespace kv::crash {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

struct Options {
  std::string server;
  std::string mode = "hybrid";
  std::string work_directory = KV_CRASH_DIRECTORY;
  std::uint64_t cycles = 6;
  std::uint64_t seed = std::random_device{}();
  std::uint64_t writes = 500;
  unsigned writers = 8;
};

struct Tally {
  std::uint64_t kills = 0;
  std::uint64_t in_snapshot = 0;
  std::uint64_t near_rotation = 0;
  std::uint64_t torn_tails = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t open = 0;
};

enum class Target { kSnapshot, kRotation, kAnywhere, kWrite };
// Two in six each at snapshots and rotations, one at a large write, one anywhere.
constexpr std::array kTargets = {Target::kSnapshot, Target::kRotation, Target::kWrite,
                                 Target::kSnapshot, Target::kRotation, Target::kAnywhere};

std::int64_t unix_millis() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// How much of a torn tail the recovery that this log tells of cut off: "... 4096 bytes of torn tail cut ...".
std::uint64_t torn_tail_bytes(const std::string& log) {
  static const std::regex report("recovery: .* ([0-9]+) bytes of torn tail cut");
  std::smatch match;
  if (!std::regex_search(log, match, report)) throw std::runtime_error("no recovery report in the log:\n" + log);
  return std::stoull(match[1]);
}

class KillLoop {
 public:
  explicit KillLoop(const Options& options)
      : options_(options),
        random_(options.seed),
        directory_(fmt::format("{}/{}-{}-{}", options.work_directory, options.mode, options.seed, ::getpid())) {}

  // Throws what it finds.
  void run() {
    fs::create_directories(directory_);
    RunningServer server(server_options());
    for (std::uint64_t cycle = 1; cycle <= options_.cycles; ++cycle) {
      one_cycle(server, cycle, kTargets[(cycle - 1) % kTargets.size()]);
    }
    // On a busy machine the aim is poor: misses may be made good, by at most as many cycles again.
    for (std::uint64_t cycle = options_.cycles + 1; cycle <= 2 * options_.cycles; ++cycle) {
      const auto missing = missing_hit();
      if (!missing) break;
      one_cycle(server, cycle, *missing);
    }
    clean_stop(server);
    if (missing_hit()) throw std::runtime_error("too few kills hit what they were aimed at: " + minimums());
    fs::remove_all(directory_);
  }

  const std::string& directory() const { return directory_; }
  const Tally& tally() const { return tally_; }

 private:
  ServerOptions server_options() const {
    return {.data_directory = directory_,
            .flags = {"--mode", options_.mode, "--fsync", "always", "--log-segment-size", "1MiB", "--snapshot-interval",
                      "1s", "--max-snapshots", "3", "--log-rewrite-growth", "20%", "--log-rewrite-min-size", "4MiB"},
            .environment = {},
            .wrapper = {}};
  }

  void one_cycle(RunningServer& server, std::uint64_t cycle, Target target) {
    Workload workload(history_, {.target = server.address(),
                                 .writers = options_.writers,
                                 .seed = options_.seed,
                                 .first_writer = static_cast<std::uint32_t>(cycle * options_.writers)});
    if (!workload.wait_for_acknowledged(options_.writes, std::chrono::seconds(60))) {
      workload.expect_death();
      workload.stop();
      std::string text = fmt::format("cycle {}: only {} writes acknowledged", cycle, workload.acknowledged());
      for (const std::string& finding : workload.findings()) text += "\n  " + finding;
      throw std::runtime_error(text + "\n" + server.log());
    }
    take_aim(target);
    workload.expect_death();
    const std::int64_t killed_at = unix_millis();
    server.kill();
    workload.stop();
    note_kill(workload, killed_at);
    require(workload.findings(), cycle, server);

    server.start();
    if (const std::uint64_t torn = torn_tail_bytes(server.log()); torn > 0) {
      ++tally_.torn_tails;
      last_hits_ += fmt::format(", torn tail of {} bytes", torn);
    }
    const Check check = check_everything(server.address(), history_);
    require(check.findings, cycle, server);
    std::cout << fmt::format("cycle {:>4}: {:>5} acknowledged, {} open, {} keys found{}\n", cycle,
                             workload.acknowledged(), workload.open(), check.keys_present, last_hits_)
              << std::flush;
  }

  void take_aim(Target target) {
    const milliseconds bound{3000};
    switch (target) {
      case Target::kSnapshot:
        SnapshotWatch(directory_).wait_for_next(bound);
        pause(milliseconds(4));
        break;
      case Target::kRotation:
        RotationWatch(directory_).wait_for_next(bound);
        pause(milliseconds(5));
        break;
      case Target::kWrite:
        wait_for_large_write(directory_, 128 << 10, bound);
        break;
      case Target::kAnywhere:
        pause(milliseconds(60));
        break;
    }
  }

  // The moment of the kill is random, within the window aimed at.
  void pause(milliseconds most) {
    std::this_thread::sleep_for(std::chrono::microseconds(random_() % static_cast<std::uint64_t>(most.count() * 1000)));
  }

  // What the kill hit, as the files that are left tell it.
  void note_kill(const Workload& workload, std::int64_t killed_at) {
    ++tally_.kills;
    tally_.acknowledged += workload.acknowledged();
    tally_.open += workload.open();
    last_hits_.clear();
    if (snapshot_in_progress(directory_)) {
      ++tally_.in_snapshot;
      last_hits_ += ", in a snapshot";
    }
    const auto rotated_at = last_rotation(directory_);
    if (rotated_at && killed_at - *rotated_at <= 10 && *rotated_at - killed_at <= 10) {
      ++tally_.near_rotation;
      last_hits_ += ", near a rotation";
    }
  }

  void clean_stop(RunningServer& server) {
    const int code = server.stop();
    if (code != 0) throw std::runtime_error(fmt::format("a clean stop exited {}\n{}", code, server.log()));
    server.start();
    require(check_everything(server.address(), history_).findings, options_.cycles, server);
    server.stop();
  }

  std::uint64_t snapshots_wanted() const { return options_.cycles / 5; }
  std::uint64_t rotations_wanted() const { return options_.cycles / 5; }
  std::uint64_t torn_tails_wanted() const { return options_.cycles / 20; }

  // What has not been hit often enough yet.
  std::optional<Target> missing_hit() const {
    if (tally_.in_snapshot < snapshots_wanted()) return Target::kSnapshot;
    if (tally_.near_rotation < rotations_wanted()) return Target::kRotation;
    if (tally_.torn_tails < torn_tails_wanted()) return Target::kWrite;
    return std::nullopt;
  }

  std::string minimums() const {
    return fmt::format("{} in a snapshot, {} near a rotation and {} torn tails are needed", snapshots_wanted(),
                       rotations_wanted(), torn_tails_wanted());
  }

  static void require(const std::vector<std::string>& findings, std::uint64_t cycle, RunningServer& server) {
    if (findings.empty()) return;
    std::string text = fmt::format("cycle {}: {} findings", cycle, findings.size());
    for (const std::string& finding : findings) text += "\n  " + finding;
    throw std::runtime_error(text + "\nlog of the server:\n" + server.log());
  }

  const Options options_;
  std::mt19937_64 random_;
  const std::string directory_;
  History history_;
  Tally tally_;
  std::string last_hits_;
};

int run(const Options& options) {
  std::cout << fmt::format("kill_loop: mode {}, {} cycles, seed {}\n", options.mode, options.cycles, options.seed);
  KillLoop loop(options);
  int code = 0;
  try {
    loop.run();
  } catch (const std::exception& failure) {
    std::cout << fmt::format("FAILED (seed {}): {}\nThe data is kept in {}\n", options.seed, failure.what(),
                             loop.directory());
    code = 1;
  }
  const Tally& tally = loop.tally();
  std::cout << fmt::format(
      "{} kills: {} in a snapshot, {} within 10 ms of a rotation, {} torn tails; {} writes acknowledged, {} left "
      "open\n",
      tally.kills, tally.in_snapshot, tally.near_rotation, tally.torn_tails, tally.acknowledged, tally.open);
  return code;
}

}  // namespace
}  // namespace kv::crash

int main(int argc, char** argv) {
  kv::crash::Options options;
  CLI::App app("Kills a server under load, again and again, and checks that it lost nothing it had acknowledged.");
  app.add_option("--server", options.server, "the server's binary (default: the one of this build)");
  app.add_option("--mode", options.mode, "aof or hybrid")->check(CLI::IsMember({"aof", "hybrid"}));
  app.add_option("--cycles", options.cycles, "how many kills");
  app.add_option("--seed", options.seed, "repeats a run");
  app.add_option("--writes", options.writes, "writes acknowledged before each kill, at least");
  app.add_option("--writers", options.writers, "writers at the same time")->check(CLI::Range(1, 64));
  app.add_option("--work-directory", options.work_directory, "where the data directory is made");
  CLI11_PARSE(app, argc, argv);
  if (!options.server.empty()) ::setenv("KVSTORE_SERVER", options.server.c_str(), 1);
  return kv::crash::run(options);
}
