#include "tests/torture/run.h"

#include <cstdlib>
#include <iostream>

namespace kv {

int run_catch(int argc, char** argv);  // tests/catch_main.cc

namespace {
constexpr std::chrono::seconds kPieceMax{60};
}

TortureRun& TortureRun::get() {
  static TortureRun run;
  return run;
}

void TortureRun::start() {
  time_.emplace(options.seconds);
  watchdog_ = std::thread([this] { watch(); });
}

void TortureRun::begin(std::string piece) {
  std::lock_guard lock(mutex_);
  piece_ = std::move(piece);
  ++generation_;
  changed_.notify_one();
}

std::string TortureRun::variant(bool enumerates) const {
  std::string text = "simulated disk";
  for (const std::string& part : only) text += fmt::format(", only {}", part);
  if (enumerates) text += step() == 1 ? ", every " + things_ : fmt::format(", one {} in {}", things_, step());
  if (stopped_early_) text += ", ended by its time";
  return text;
}

std::uint64_t TortureRun::counted(const std::string& name) const {
  const auto found = counts_.find(name);
  return found == counts_.end() ? 0 : found->second;
}

void TortureRun::watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::uint64_t seen = generation_;
    if (changed_.wait_for(lock, kPieceMax, [&] { return stopping_ || generation_ != seen; })) continue;
    std::cerr << "FAILED: nothing moved for " << kPieceMax.count() << " s in: " << piece_ << '\n';
    std::abort();
  }
}

void TortureRun::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  watchdog_.join();
}

}  // namespace kv

// storage_torture NAME: runs the case of that tag.
int main(int argc, char** argv) {
  kv::TortureRun& run = kv::TortureRun::get();
  std::string name;
  CLI::App app("Storage on a simulated disk, broken in every way.");
  app.add_option("name", name, "enumerate, corrupt, faults, switches or walk")
      ->required()
      ->check(CLI::IsMember({"enumerate", "corrupt", "faults", "switches", "walk"}));
  run.options.add_to(app, "walk: how many switches; corrupt: every n-th bit; the others: every n-th call; 1 for all");
  app.add_option("--only", run.only, "faults, switches: the pieces with this in their name, as a failure tells it")
      ->allow_extra_args(false);
  CLI11_PARSE(app, argc, argv);
  std::cout << fmt::format("storage_torture: {}, cycles {}, seed {}\n", name, run.options.cycles, run.options.seed);
  run.start();
  std::string program = argv[0], tag = "[" + name + "]", warn = "-w", no_tests = "NoTests";
  char* words[] = {program.data(), tag.data(), warn.data(), no_tests.data()};
  const int code = kv::run_catch(4, words);
  run.stop();
  kv::print({.suite = name,
             .variant = run.variant(name != "walk"),
             .cycles = run.pieces(),
             .seed = run.options.seed,
             .counts = run.counts(),
             .passed = code == 0});
  return code;
}
