// A power cut at every call to the disk, and every legal loss behind it: see tests/persistence/crash_enumeration.h.
#include <catch2/catch.hpp>

#include "tests/persistence/crash_enumeration.h"
#include "tests/torture/run.h"

namespace kv {
namespace {

// Under `name` the record says how many of how many calls were cut.
void enumerate(const std::string& name, CrashCounts (*cut)(const CrashPlan&)) {
  TortureRun& run = TortureRun::get();
  const auto go_on = [&](const std::string& piece) {
    run.begin(piece);
    return !run.is_over();
  };
  const CrashCounts counts = cut({.step = run.step(), .seed = run.options.seed, .go_on = go_on});
  run.count(name + "_calls", counts.calls);
  run.count(name + "_calls_cut", counts.cuts);
  run.count("losses", counts.losses.losses);
  run.count("losses_left_out", counts.losses.prefixes_out);
  run.count("disks_judged", counts.losses.left);
  for (std::uint64_t n = 0; n < counts.cuts; ++n) run.done();
  if (run.stopped_early()) return;
  CHECK(counts.calls > 20);
  // Lives that were shorter than the one that was not cut may have escaped the last cuts.
  CHECK(counts.cuts + counts.cuts / 20 + 1 >= counts.calls / run.step());
}

TEST_CASE("enumerate: storage, cut anywhere, is left in a state that was promised", "[enumerate]") {
  enumerate("storage", cut_storage);
}

TEST_CASE("enumerate: a log, cut anywhere, keeps what it acknowledged and is not corrupt", "[enumerate]") {
  enumerate("log", cut_journal);
}

TEST_CASE("enumerate: a start that was accepted, cut anywhere, keeps every damaged file", "[enumerate]") {
  enumerate("start", cut_accepted_start);
}

}  // namespace
}  // namespace kv
