#include "tests/crash/kill_loop.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <stdexcept>

#include <fmt/format.h>
#include <unistd.h>

#include "tests/crash/aim.h"
#include "tests/crash/evidence.h"

namespace kv::crash {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

std::int64_t unix_millis() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

ServerOptions busy_server(const std::string& directory, const std::string& mode, const std::string& fsync) {
  return {.data_directory = directory,
          .flags = {"--mode", mode, "--fsync", fsync, "--fsync-interval", "100ms", "--log-segment-size", "1MiB",
                    "--snapshot-interval", "1s", "--max-snapshots", "3", "--log-rewrite-growth", "20%",
                    "--log-rewrite-min-size", "4MiB"},
          .environment = {},
          .wrapper = {}};
}

KillLoop::KillLoop(const KillOptions& options)
    : options_(options),
      random_(options.seed),
      directory_(fmt::format("{}/{}-{}-{}-{}", options.work_directory, options.mode, options.fsync, options.seed,
                             ::getpid())) {
  if (has_log()) {
    hits_ = {{Target::kSnapshot, "in_snapshot", 5},
             {Target::kRotation, "near_rotation", 5},
             {Target::kWrite, "torn_tails", 20}};
  } else if (options.mode == "snapshot") {
    hits_ = {{Target::kSnapshot, "in_snapshot", 5}, {Target::kPublication, "new_cut", 5}};
  }
}

void KillLoop::run() {
  // Those of a log: two in six each at snapshots and rotations, one at a large write, one anywhere.
  using T = Target;
  const std::vector<Target> targets =
      has_log() ? std::vector{T::kSnapshot, T::kRotation, T::kWrite, T::kSnapshot, T::kRotation, T::kAnywhere}
      : options_.mode == "snapshot" ? std::vector{T::kSnapshot, T::kPublication, T::kAnywhere}
                                    : std::vector{T::kAnywhere};
  const TortureTime time(options_.seconds);
  fs::create_directories(directory_);
  RunningServer server(busy_server(directory_, options_.mode, options_.fsync));
  std::uint64_t cycle = 0;
  while (cycle < options_.cycles && !time.is_over()) {
    ++cycle;
    one_cycle(server, cycle, targets[(cycle - 1) % targets.size()]);
  }
  // On a busy machine the aim is poor: misses may be made good, by at most as many cycles again.
  for (const std::uint64_t end = 2 * cycle; cycle < end;) {
    const auto missing = missing_hit();
    if (!missing) break;
    one_cycle(server, ++cycle, *missing);
  }
  stop_and_check(server);
  if (missing_hit()) throw std::runtime_error("too few kills hit what they were aimed at: " + minimums());
  fs::remove_all(directory_);
}

void KillLoop::one_cycle(RunningServer& server, std::uint64_t cycle, Target target) {
  restarts_.begin_cycle(cycle);
  Workload workload(history_, {.target = server.address(),
                               .writers = options_.writers,
                               .seed = options_.seed,
                               .first_writer = static_cast<std::uint32_t>(cycle * options_.writers)});
  load(server, workload, cycle);
  take_aim(server, target, random_);
  workload.expect_death();
  const std::int64_t killed_at = unix_millis();
  server.kill();
  workload.stop();
  restarts_.require(workload.findings(), server);
  acknowledged_ += workload.acknowledged();
  open_ += workload.open();
  restarts_.judge_life(server);
  const Remains remains = restarts_.look(server);
  const Owed owed = note_kill(killed_at, remains);
  if (remains.torn) note(Target::kWrite, fmt::format("torn tail of {} bytes", remains.torn->bytes));
  const Check check = restarts_.start_and_check(server, remains, owed);
  if (cycle % options_.second_start_one_in == 0) {
    const auto end = [&] { restarts_.second_starts() % 2 == 0 ? server.kill() : restarts_.stop(server); };
    restarts_.start_again(server, end, check);
  }
  std::cout << fmt::format("cycle {:>4}: {:>5} acknowledged, {} open, {} keys found{}\n", cycle,
                           workload.acknowledged(), workload.open(), check.keys_present, last_hits_)
            << std::flush;
}

void KillLoop::load(RunningServer& server, Workload& workload, std::uint64_t cycle) {
  if (workload.wait_for_acknowledged(options_.writes, std::chrono::seconds(60))) return;
  workload.expect_death();
  workload.stop();
  std::string text = fmt::format("cycle {}: only {} writes acknowledged", cycle, workload.acknowledged());
  for (const std::string& finding : workload.findings()) text += "\n  " + finding;
  throw std::runtime_error(text + "\n" + server.log());
}

// What the kill hit, as the files that are left tell it, and what the server owes now.
Owed KillLoop::note_kill(std::int64_t killed_at, const Remains& remains) {
  ++kills_;
  last_hits_.clear();
  if (options_.mode == "non_persistent") return {.what = Owed::What::kNothing};
  const Numbers numbers = restarts_.numbers(remains);
  if (snapshot_in_progress(directory_)) note(Target::kSnapshot, "in a snapshot");
  if (has_log()) {
    const auto rotated_at = last_rotation(directory_);
    if (rotated_at && killed_at - *rotated_at <= 10 && *rotated_at - killed_at <= 10) {
      note(Target::kRotation, "near a rotation");
    }
    return {.what = Owed::What::kEverything, .numbers = numbers};
  }
  const std::uint64_t cut = published_cut(directory_);
  if (cut < last_cut_)
    throw std::runtime_error(fmt::format("the published cut went back from {} to {}", last_cut_, cut));
  const std::uint64_t above = history_.acknowledged_above(cut);
  given_up_ += above;
  if (cut > last_cut_ && above > 0) note(Target::kPublication, fmt::format("cut {}, {} writes above it", cut, above));
  last_cut_ = cut;
  if (cut != remains.revision) {
    throw std::runtime_error(
        fmt::format("MANIFEST names the cut {}, kvstore_tool check says revision {}", cut, remains.revision));
  }
  return {.what = Owed::What::kOneCut, .cut = cut, .numbers = numbers};
}

void KillLoop::note(Target target, const std::string& text) {
  last_hits_ += ", " + text;
  for (Hits& hits : hits_) {
    if (hits.target == target) ++hits.count;
  }
}

// A clean stop loses nothing in a mode that has files.
void KillLoop::stop_and_check(RunningServer& server) {
  restarts_.stop(server);
  const Owed owed{.what = options_.mode == "non_persistent" ? Owed::What::kNothing : Owed::What::kEverything};
  restarts_.start_and_check(server, restarts_.look(server), owed);
  restarts_.stop(server);
}

// What has not been hit often enough yet.
std::optional<Target> KillLoop::missing_hit() const {
  for (const Hits& hits : hits_) {
    if (hits.count < std::min(options_.cycles, kills_) / hits.one_in) return hits.target;
  }
  return std::nullopt;
}

std::string KillLoop::minimums() const {
  std::string text;
  for (const Hits& hits : hits_) {
    text += fmt::format("{}{} of {} wanted {}", text.empty() ? "" : ", ", hits.count,
                        std::min(options_.cycles, kills_) / hits.one_in, hits.name);
  }
  return text;
}

std::vector<std::pair<std::string, std::uint64_t>> KillLoop::counts() const {
  std::vector<std::pair<std::string, std::uint64_t>> counts = {{"kills", kills_},
                                                               {"acknowledged", acknowledged_},
                                                               {"open", open_},
                                                               {"second_starts", restarts_.second_starts()}};
  for (const Hits& hits : hits_) counts.emplace_back(hits.name, hits.count);
  if (options_.mode == "snapshot") counts.emplace_back("above_the_cut", given_up_);
  return counts;
}

}  // namespace kv::crash
