// Small directories damaged in every way, and what tool and server make of them: see tests/tools/sweep.h.
#include <catch2/catch.hpp>

#include "tests/tools/sweep.h"
#include "tests/torture/run.h"

namespace kv {
namespace {

void corrupt(const SweptDirectory& directory) {
  TortureRun& run = TortureRun::get();
  run.goes_through("bit");
  const auto go_on = [&](const std::string& piece) {
    run.begin(piece);
    if (run.is_over()) return false;
    run.done();
    return true;
  };
  const SweepCounts counts = sweep(directory, {.step = run.step(), .seed = run.options.seed, .go_on = go_on});
  run.count("bits", counts.bits);
  run.count("bits_flipped", counts.bits_flipped);
  run.count("lengths", counts.lengths);
  run.count("lengths_cut", counts.lengths_cut);
  run.count("appended_swapped_or_doubled", counts.other);
  run.count("served_the_same", counts.same);
  run.count("served_a_torn_tail", counts.torn);
  run.count("served_up_to_a_cut_behind_a_batch", counts.shorter);
  run.count("an_older_snapshot_stood_in", counts.older);
  run.count("refused", counts.refused);
  run.count("went_on_without", counts.accepted);
  if (run.stopped_early()) return;
  CHECK(counts.bits_flipped + directory.files.size() >= counts.bits / run.step());
  CHECK(counts.same > 0);
  CHECK(counts.refused > 0);
}

TEST_CASE("corrupt: an AOF directory, with a tail above the watermark", "[corrupt]") { corrupt(lived_in(Mode::kAof)); }

TEST_CASE("corrupt: a HYBRID directory", "[corrupt]") { corrupt(lived_in(Mode::kHybrid)); }

TEST_CASE("corrupt: a SNAPSHOT directory", "[corrupt]") { corrupt(lived_in(Mode::kSnapshot)); }

TEST_CASE("corrupt: segments that SNAPSHOT keeps", "[corrupt]") { corrupt(kept_segments()); }

TEST_CASE("corrupt: a log of many segments", "[corrupt]") { corrupt(rotated_log()); }

}  // namespace
}  // namespace kv
