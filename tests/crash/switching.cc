#include "tests/crash/switching.h"

#include <filesystem>
#include <iostream>
#include <stdexcept>

#include <fmt/format.h>
#include <unistd.h>

#include "tests/crash/aim.h"

namespace kv::crash {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kWays = 12;

}  // namespace

SwitchingLoop::SwitchingLoop(const KillOptions& options)
    : options_(options),
      random_(options.seed),
      directory_(
          fmt::format("{}/switching-{}-{}-{}", options.work_directory, options.fsync, options.seed, ::getpid())) {}

void SwitchingLoop::run() {
  const TortureTime time(options_.seconds);
  fs::create_directories(directory_);
  RunningServer server(busy_server(directory_, "hybrid", options_.fsync));
  for (std::uint64_t cycle = 1; cycle <= options_.cycles && !time.is_over(); ++cycle) one_cycle(server, cycle);
  restarts_.stop(server);
  check_hits();
  fs::remove_all(directory_);
}

void SwitchingLoop::one_cycle(RunningServer& server, std::uint64_t cycle) {
  restarts_.begin_cycle(cycle);
  Workload workload(history_, {.target = server.address(),
                               .writers = options_.writers,
                               .seed = options_.seed,
                               .first_writer = static_cast<std::uint32_t>(cycle * options_.writers)});
  Switcher switcher(server.address(), mode_, history_, begun_, random_());
  load(server, workload, switcher);
  take_aim(server, switcher, cycle);
  workload.expect_death();
  switcher.expect_death();
  server.kill();
  workload.stop();
  switcher.stop();
  const Switcher::Known known = switcher.known();
  restarts_.require(workload.findings(), server);
  restarts_.require(switcher.findings(), server);
  restarts_.judge_life(server);
  acknowledged_ += workload.acknowledged();
  open_ += workload.open();

  const Remains remains = restarts_.look(server);
  note_kill(known, remains);
  const Owed owed = judge_mode(server, known, remains);
  start_twice(server, cycle, remains, owed);
  std::cout << fmt::format("cycle {:>4}: {:>5} acknowledged, {} open, {} switches begun, killed in {}{}, found {}\n",
                           cycle, workload.acknowledged(), workload.open(), switcher.begun(), known.mode,
                           known.next ? " to " + *known.next : "", remains.mode)
            << std::flush;
}

void SwitchingLoop::load(RunningServer& server, Workload& workload, Switcher& switcher) {
  const bool busy = workload.wait_for_acknowledged(options_.writes, seconds(60)) &&
                    switcher.wait_until_begun(1 + random_() % 3, seconds(60));
  if (busy) return;
  workload.expect_death();
  switcher.expect_death();
  std::vector<std::string> findings = workload.findings();
  for (std::string& finding : switcher.findings()) findings.push_back(std::move(finding));
  findings.push_back(fmt::format("only {} writes acknowledged", workload.acknowledged()));
  workload.stop();
  switcher.stop();
  restarts_.require(findings, server);
}

// Any moment of a switch; the child of a snapshot, which most switches need; or soon after an answer, when the new
// mode's promise is youngest.
void SwitchingLoop::take_aim(RunningServer& server, Switcher& switcher, std::uint64_t cycle) {
  using std::chrono::duration_cast;
  milliseconds window{10};
  if (cycle % 3 == 0) {
    switcher.wait_for_end(seconds(3));
  } else if (cycle % 3 == 1) {
    switcher.wait_until_begun(switcher.begun() + 1, seconds(3));
    window = duration_cast<milliseconds>(switcher.duration()) + milliseconds(1);
  } else {
    SnapshotWatch(server.data_directory(), SnapshotWatch::For::kBegin).wait_for_next(seconds(3));
    window = milliseconds(4);
  }
  pause_up_to(window, random_);
}

void SwitchingLoop::note_kill(const Switcher::Known& known, const Remains& remains) {
  ++kills_;
  if (snapshot_in_progress(directory_)) ++in_snapshot_;
  if (remains.unfinished) ++recorded_;
  if (!known.next) {
    ++after_switch_;
    return;
  }
  ++in_switch_;
  ++killed_[{known.mode, *known.next}];
  ++(remains.mode == known.mode ? old_mode_ : new_mode_);
}

Owed SwitchingLoop::judge_mode(RunningServer& server, const Switcher::Known& known, const Remains& remains) {
  std::vector<std::string> findings;
  const std::string told = known.mode + (known.next ? ", on the way to " + *known.next : "");
  if (remains.mode != known.mode && remains.mode != known.next) {
    findings.push_back(fmt::format("MANIFEST has the mode {}, the client was told {}", remains.mode, told));
  }
  if (remains.unfinished && remains.unfinished != Way{known.mode, known.next.value_or("none")}) {
    findings.push_back(fmt::format("MANIFEST records a switch from {} to {}, the client was told {}",
                                   remains.unfinished->first, remains.unfinished->second, told));
  }
  if (remains.mode == "NON_PERSISTENT") {
    restarts_.require(findings, server);
    history_.promise_nothing();
    return {.what = Owed::What::kNothing};
  }
  if (remains.revision < history_.promised()) {
    findings.push_back(fmt::format("in mode {} the state is that of revision {}, and revision {} was promised",
                                   remains.mode, remains.revision, history_.promised()));
  }
  restarts_.require(findings, server);
  return {.what = Owed::What::kOneCut, .cut = remains.revision, .numbers = restarts_.numbers(remains)};
}

void SwitchingLoop::start_twice(RunningServer& server, std::uint64_t cycle, const Remains& remains, const Owed& owed) {
  Check check = restarts_.start_and_check(server, remains, owed);
  mode_ = finish_switch(server, remains);
  if (mode_ == "NON_PERSISTENT") check.digest = 0;
  if (cycle % options_.second_start_one_in != 0) return;
  const auto end = [&] { restarts_.second_starts() % 2 == 0 ? server.kill() : restarts_.stop(server); };
  const Remains again = restarts_.start_again(server, end, check);
  if (again.mode != mode_ || again.unfinished) {
    restarts_.require({fmt::format("the switch to {} was answered, and MANIFEST has {}", mode_, again.mode)}, server);
  }
  if (mode_ != "NON_PERSISTENT") return;
  history_.promise_nothing();
  const Check empty = check_everything(server.address(), history_, {.what = Owed::What::kNothing});
  restarts_.require(empty.findings, server);
}

// The start goes on with what MANIFEST records by itself; who asks for the same joins it.
std::string SwitchingLoop::finish_switch(RunningServer& server, const Remains& remains) {
  if (!remains.unfinished) return remains.mode;
  const std::string problem = switch_mode(server.address(), remains.unfinished->second);
  if (!problem.empty()) restarts_.require({"after the start " + problem}, server);
  return remains.unfinished->second;
}

void SwitchingLoop::check_hits() const {
  std::cout << fmt::format("ways begun: {} of {}, killed in: {}\n", begun_.size(), kWays, killed_.size());
  if (kills_ >= kWays && begun_.size() < kWays) throw std::runtime_error("not every way between two modes was taken");
  if (in_switch_ < kills_ / 3 || in_snapshot_ < kills_ / 10 || after_switch_ < kills_ / 20) {
    throw std::runtime_error(fmt::format("of {} kills {} hit a switch, {} a snapshot, {} the time after a switch",
                                         kills_, in_switch_, in_snapshot_, after_switch_));
  }
}

std::vector<std::pair<std::string, std::uint64_t>> SwitchingLoop::counts() const {
  std::uint64_t switches = 0;
  for (const auto& [way, count] : begun_) switches += count;
  return {{"kills", kills_},
          {"acknowledged", acknowledged_},
          {"open", open_},
          {"second_starts", restarts_.second_starts()},
          {"switches", switches},
          {"in_switch", in_switch_},
          {"after_switch", after_switch_},
          {"in_snapshot", in_snapshot_},
          {"old_mode", old_mode_},
          {"new_mode", new_mode_},
          {"finished_at_start", recorded_}};
}

}  // namespace kv::crash
