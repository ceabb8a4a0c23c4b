// power_cut: cuts the power of a real file system under the server while it is under load, and checks what it kept.
//
// Each cycle: writers run until at least --writes were acknowledged; at the moment aimed at the file system is shut
// down without a flush of its log (tests/support/loop_disk.h). In half of the cycles the server lives on for a while on
// the dead disk, and may acknowledge nothing; then it is killed, the file system is mounted again, the server starts.
//
//   AOF, HYBRID, always        nothing acknowledged is lost
//   the same, interval, never  the state is exactly that of the revision that the start says it loaded
//   interval                   and that has all that was acknowledged longer ago than the interval and the slowest
//   sync.
//                              In every other cycle nothing but the interval causes a sync: small values, large
//                              segments, no snapshots
//   SNAPSHOT                   the same, of the cut that MANIFEST names, which is never older than one seen before
//   NON_PERSISTENT             nothing is left
//
// Each start is judged as after a kill (restarts.h); every other one is followed by a second cut, from which the next
// start must read the same: what a start serves it has made durable.
//
// A file that is written without a sync just before the cut must be lost, else the cut was none. That, and too few cuts
// at the moments aimed at, fail the run.

#include <algorithm>
#include <array>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>

#include <unistd.h>

#include "tests/crash/checker.h"
#include "tests/crash/evidence.h"
#include "tests/crash/history.h"
#include "tests/crash/restarts.h"
#include "tests/crash/target.h"
#include "tests/crash/workload.h"
#include "tests/support/loop_disk.h"
#include "tests/support/running_server.h"
#include "tests/support/server_torture.h"
#include "tests/support/sync_times.h"

namespace kv::crash {
namespace {

namespace fs = std::filesystem;

struct PowerOptions : ServerTortureOptions {
  PowerOptions() { cycles = 6; }
  std::string disk = "ext4";
  std::uint64_t writes = 300;
};

constexpr std::uint64_t kDiskBytes = 1ULL << 30;
constexpr unsigned kWriters = 8;
constexpr std::size_t kMarkerBytes = 64 << 10;
constexpr std::chrono::milliseconds kInterval{100};
// What a thread that was woken may wait for a processor, on a machine that has other things to do.
constexpr std::chrono::milliseconds kWakeUp{100};
// So long the writers of an interval run: much longer than what it may lose.
constexpr std::chrono::milliseconds kIntervalLoad{1000};

// Gone at the end when it is empty: when the disk in it is not kept.
struct Directory {
  ~Directory() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
  const std::string path;
};

class PowerCut {
 public:
  explicit PowerCut(const PowerOptions& options)
      : options_(options),
        random_(options.seed),
        directory_{fmt::format("{}/power-{}-{}", options.work_directory, options.disk, ::getpid())},
        disk_(options.disk, directory_.path, kDiskBytes) {}

  void run() {
    const TortureTime time(options_.seconds);
    RunningServer server(server_options());
    for (std::uint64_t cycle = 1; cycle <= options_.cycles && !time.is_over(); ++cycle) one_cycle(server, cycle);
    restarts_.stop(server);
    check_hits();
  }
  void keep() { disk_.keep(); }
  const std::string& image() const { return disk_.image(); }
  std::uint64_t cuts() const { return counts_.at("cuts"); }
  std::vector<std::pair<std::string, std::uint64_t>> counts() const { return {counts_.begin(), counts_.end()}; }

 private:
  bool has_log() const { return options_.mode == "aof" || options_.mode == "hybrid"; }
  bool has_interval() const { return has_log() && options_.fsync == "interval"; }
  bool has_files() const { return options_.mode != "non_persistent"; }
  std::string data() const { return disk_.path() + "/data"; }

  bool is_calm(std::uint64_t cycle) const { return has_interval() && cycle % 2 == 1; }

  std::vector<std::string> flags(bool calm) const {
    std::vector<std::string> flags = {"--mode", options_.mode, "--fsync", options_.fsync, "--max-snapshots", "3"};
    const std::string interval = fmt::format("{}ms", kInterval.count());
    for (const auto& [flag, usual, when_calm] :
         std::vector<std::array<std::string, 3>>{{"--fsync-interval", interval, interval},
                                                 {"--log-segment-size", "1MiB", "64MiB"},
                                                 {"--snapshot-interval", "1s", "1h"},
                                                 {"--log-rewrite-growth", "20%", "1000%"},
                                                 {"--log-rewrite-min-size", "4MiB", "1GiB"}}) {
      flags.push_back(flag);
      flags.push_back(calm ? when_calm : usual);
    }
    return flags;
  }

  ServerOptions server_options() const {
    return {
        .data_directory = data(), .flags = flags(is_calm(1)), .environment = sync_clock_.environment(), .wrapper = {}};
  }

  void one_cycle(RunningServer& server, std::uint64_t cycle) {
    restarts_.begin_cycle(cycle);
    Workload workload(history_, {.target = server.address(),
                                 .writers = kWriters,
                                 .seed = options_.seed,
                                 .large_values = !is_calm(cycle),
                                 .first_writer = static_cast<std::uint32_t>(cycle * kWriters)});
    load(server, workload);
    aim(server, cycle);
    restarts_.judge_life(server);
    workload.expect_death();
    cut(cycle);
    // On the dead disk the writers end by themselves where every write must reach it; elsewhere they are told to.
    if (cycle % 2 == 0 && has_log() && options_.fsync == "always") wait_for_refusal(server);
    server.kill();
    workload.stop();
    restarts_.require(workload.findings(), server);
    counts_["acknowledged"] += workload.acknowledged();
    counts_["open"] += workload.open();
    restart_and_check(server, cycle, workload);
  }

  void load(RunningServer& server, Workload& workload) {
    const auto enough =
        std::chrono::steady_clock::now() + (has_interval() ? kIntervalLoad : std::chrono::milliseconds(0));
    for (std::uint64_t writes = options_.writes;; writes += options_.writes) {
      if (!workload.wait_for_acknowledged(writes, std::chrono::seconds(60))) {
        workload.expect_death();
        workload.stop();
        std::vector<std::string> findings = workload.findings();
        findings.push_back(fmt::format("only {} writes acknowledged", workload.acknowledged()));
        restarts_.require(findings, server);
      }
      if (std::chrono::steady_clock::now() >= enough) return;
    }
  }

  void aim(RunningServer& server, std::uint64_t cycle) {
    using T = Target;
    static constexpr std::array kOfLog = {T::kSnapshot, T::kRotation, T::kWrite, T::kPublication, T::kAnywhere};
    static constexpr std::array kOfSnapshots = {T::kSnapshot, T::kPublication, T::kAnywhere};
    const Target target = is_calm(cycle) ? T::kAnywhere
                          : has_log()    ? kOfLog[cycle % kOfLog.size()]
                          : has_files()  ? kOfSnapshots[cycle % kOfSnapshots.size()]
                                         : T::kAnywhere;
    static const std::map<Target, std::string> kNames = {{T::kSnapshot, "in_snapshot"},
                                                         {T::kPublication, "at_publication"},
                                                         {T::kRotation, "after_rotation"},
                                                         {T::kWrite, "in_large_write"},
                                                         {T::kAnywhere, "anywhere"}};
    ++aimed_;
    if (take_aim(server, target, random_)) ++counts_[kNames.at(target)], ++hit_;
  }

  void cut(std::uint64_t cycle) {
    const std::string marker = disk_.path() + fmt::format("/marker-{}", cycle);
    std::ofstream(marker, std::ios::binary) << std::string(kMarkerBytes, 'm') << std::flush;
    cut_at_ = std::chrono::steady_clock::now();
    slowest_sync_ = sync_clock_.slowest(cut_at_);
    history_.disk_dies();
    disk_.cut_power();
    history_.disk_is_dead(has_log() && options_.fsync == "always");
    ++counts_["cuts"];
  }

  static void wait_for_refusal(RunningServer& server) {
    server.wait_for_line("error");  // The failed sync; from then on no write is accepted.
  }

  void restart_and_check(RunningServer& server, std::uint64_t cycle, const Workload& workload) {
    remount();
    std::error_code none;
    const std::string marker = disk_.path() + fmt::format("/marker-{}", cycle);
    const auto left = fs::file_size(marker, none);
    if (none || left < kMarkerBytes) ++counts_["unsynced_file_lost"];
    fs::remove(marker, none);

    const Remains remains = restarts_.look(server);
    const Owed owed = owed_of(remains);
    if (has_log()) {
      counts_["answered_during_a_cut"] += history_.answered_dying_above(0);
      const std::uint64_t lost = history_.answered_dying_above(remains.revision);
      counts_["of_these_lost"] += lost;
      if (lost > 0) std::cout << fmt::format("cycle {}: {} writes answered during the cut are lost\n", cycle, lost);
    }
    if (remains.torn) ++counts_["torn_tails"];
    if (owed.what == Owed::What::kOneCut) counts_["above_the_cut"] += history_.acknowledged_above(owed.cut);
    if (has_interval()) judge_interval(server, remains.revision);
    sync_clock_.reset();
    const Check check = restarts_.start_and_check(server, remains, owed);
    start_again(server, cycle, check);
    std::cout << fmt::format("cycle {:>4}: {:>5} acknowledged, {} open, {} keys found, {} bytes of torn tail\n", cycle,
                             workload.acknowledged(), workload.open(), check.keys_present,
                             remains.torn ? remains.torn->bytes : 0)
              << std::flush;
  }

  // Everything acknowledged longer ago than the interval and one sync must be there. A sync that takes longer than the
  // interval delays the next one, and stands for it then.
  void judge_interval(RunningServer& server, std::uint64_t revision) {
    using Milliseconds = std::chrono::duration<double, std::milli>;
    const auto bound = std::max<std::chrono::nanoseconds>(kInterval, slowest_sync_) + slowest_sync_ + kWakeUp;
    const std::uint64_t judged = history_.answered_before(cut_at_ - bound);
    counts_["owed_by_their_age"] += judged;
    if (judged == 0) restarts_.require({"no write was older than what an interval may lose"}, server);
    const auto first = history_.first_answer_above(revision);
    const auto age = first ? cut_at_ - *first : std::chrono::nanoseconds(0);
    std::cout << fmt::format(
        "lost: up to {:.1f} ms; the slowest sync took {:.1f} ms, {} writes were older than {:.1f} ms\n",
        Milliseconds(age).count(), Milliseconds(slowest_sync_).count(), judged, Milliseconds(bound).count());
    if (age <= bound) return;
    restarts_.require(
        {fmt::format("a write was acknowledged {:.1f} ms before the cut and is lost; the interval is {} ms, "
                     "the slowest sync took {:.1f} ms",
                     Milliseconds(age).count(), kInterval.count(), Milliseconds(slowest_sync_).count())},
        server);
  }

  void start_again(RunningServer& server, std::uint64_t cycle, const Check& check) {
    const auto end = [&] {
      if (cycle % 2 == 0) return server.kill();
      disk_.cut_power();
      ++counts_["second_cuts"];
      server.kill();
      remount();
    };
    server.options().flags = flags(is_calm(cycle + 1));
    restarts_.start_again(server, end, check);
  }

  void remount() {
    disk_.unmount();
    disk_.mount();
  }

  Owed owed_of(const Remains& remains) {
    if (!has_files()) return {.what = Owed::What::kNothing};
    const Numbers numbers = restarts_.numbers(remains);
    if (has_log()) {
      const auto what = options_.fsync == "always" ? Owed::What::kEverything : Owed::What::kOneCut;
      return {.what = what, .cut = remains.revision, .numbers = numbers};
    }
    const std::uint64_t cut = published_cut(data());
    if (cut < last_cut_) throw std::runtime_error(fmt::format("the cut went back from {} to {}", last_cut_, cut));
    last_cut_ = cut;
    if (cut != remains.revision) {
      throw std::runtime_error(
          fmt::format("MANIFEST names the cut {}, kvstore_tool check says revision {}", cut, remains.revision));
    }
    return {.what = Owed::What::kOneCut, .cut = cut, .numbers = numbers};
  }

  void check_hits() const {
    if (counts_.at("unsynced_file_lost") < cuts()) {
      throw std::runtime_error("a file that was not synced survived a cut: the power was not cut");
    }
    if (hit_ * 5 < aimed_ * 4) {
      throw std::runtime_error(fmt::format("only {} of {} cuts hit what they were aimed at", hit_, aimed_));
    }
  }

  const PowerOptions options_;
  std::mt19937_64 random_;
  const Directory directory_;
  LoopDisk disk_;
  SyncClock sync_clock_;
  History history_;
  Restarts restarts_{history_};
  std::chrono::steady_clock::time_point cut_at_;
  std::chrono::nanoseconds slowest_sync_{0};
  std::map<std::string, std::uint64_t> counts_{{"cuts", 0}, {"unsynced_file_lost", 0}};
  std::uint64_t aimed_ = 0;
  std::uint64_t hit_ = 0;
  std::uint64_t last_cut_ = 0;
};

int run(const PowerOptions& options) {
  std::cout << fmt::format("power_cut: {}, mode {}, fsync {}, {} cycles, seed {}\n", options.disk, options.mode,
                           options.fsync, options.cycles, options.seed);
  PowerCut loop(options);
  const auto keep = [&] {
    loop.keep();
    return "The disk is kept in " + loop.image();
  };
  const bool passed = runs_to_its_end(
      options.seed, [&] { loop.run(); }, keep);
  print({.suite = "power",
         .variant = options.disk + " " + options.variant(),
         .cycles = loop.cuts(),
         .seed = options.seed,
         .counts = loop.counts(),
         .passed = passed});
  return passed ? 0 : 1;
}

}  // namespace
}  // namespace kv::crash

int main(int argc, char** argv) {
  kv::crash::PowerOptions options;
  CLI::App app("Cuts the power of a file system under a loaded server, again and again, and checks what it kept.");
  app.add_option("--disk", options.disk, "ext4 or xfs")->check(CLI::IsMember({"ext4", "xfs"}));
  app.add_option("--writes", options.writes, "writes acknowledged before each cut, at least")->capture_default_str();
  options.add_to(app, "how many cuts", {"non_persistent", "snapshot", "aof", "hybrid"});
  CLI11_PARSE(app, argc, argv);
  options.use_server();
  try {
    return kv::crash::run(options);
  } catch (const std::exception& failure) {
    std::cerr << "power_cut: " << failure.what() << '\n';
    return 2;
  }
}
