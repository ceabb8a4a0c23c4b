#include "persistence/group_size.h"

#include <catch2/catch.hpp>

namespace kv {
namespace {

// So many callers, each of which comes again when it is answered; `served` of them are on their way when a round
// begins, and `queued` had come during the one before.
struct Callers {
  std::uint64_t all = 0;
  std::uint64_t served = 0;
  std::uint64_t queued = 0;
  std::uint64_t during_a_sync = 0;
  // How many the next round has; late when more were wanted than there are.
  std::uint64_t round() {
    const std::uint64_t wanted = group.wanted(queued);
    const std::uint64_t there = std::max(queued, all - served);
    const bool late = wanted > there;
    lates += late ? 1 : 0;
    const std::uint64_t calls = wanted == 0 ? queued : late ? there : std::max(queued, wanted);
    group.taken(calls, late);
    queued = std::clamp<std::uint64_t>(all - std::min(all, calls), 1, during_a_sync);
    return calls;
  }
  GroupSize group = {};
  int lates = 0;
};

}  // namespace

TEST_CASE("group size: a few callers wait for nobody") {
  GroupSize group = {};
  CHECK(group.wanted(1) == 0);
  group.taken(1, false);
  CHECK(group.wanted(GroupSize::kCallersMin - 2) == 0);
  group.taken(GroupSize::kCallersMin - 2, false);
  CHECK(group.wanted(1) == 0);
  CHECK(group.wanted(2) > 0);
}

TEST_CASE("group size: three quarters of those who waited and those who came meanwhile") {
  GroupSize group = {};
  group.taken(40, false);
  CHECK(group.wanted(8) == 36);
  CHECK(group.wanted(24) == 48);
}

TEST_CASE("group size: where nobody came during a round, nobody is waited for, and what was is forgotten") {
  GroupSize group = {};
  group.taken(90, false);
  CHECK(group.wanted(6) == 72);
  CHECK(group.wanted(0) == 0);
  group.taken(90, false);
  CHECK(group.wanted(6) == 72);
  group.nobody_left();
  CHECK(group.wanted(1) == 0);
  CHECK(group.wanted(GroupSize::kCallersMin - 1) == 0);
}

TEST_CASE("group size: many callers are waited for step by step, and never for more than the most") {
  Callers many{.all = 256, .served = 100, .queued = 40, .during_a_sync = 20};
  std::uint64_t calls = 0;
  for (int i = 0; i < 30; ++i) calls = many.round();
  CHECK(calls >= GroupSize::kCallsMax);
  CHECK(many.lates == 0);
  CHECK(many.group.wanted(10'000) == GroupSize::kCallsMax);
}

TEST_CASE("group size: what does not come is not waited for again soon") {
  Callers some{.all = 64, .served = 10, .queued = 20, .during_a_sync = 20};
  for (int i = 0; i < 500; ++i) some.round();
  CHECK(some.lates <= 500 / GroupSize::kHeldRounds + 1);
  CHECK(some.lates > 0);
}

TEST_CASE("group size: callers that come in turns are waited for in vain once, and not each time") {
  Callers two{.all = 64, .served = 32, .queued = 32, .during_a_sync = 32};
  for (int i = 0; i < 500; ++i) two.round();
  CHECK(two.lates <= 500 / GroupSize::kHeldRounds + 1);
  CHECK(two.lates > 0);
}

TEST_CASE("group size: when callers have gone, the next round wants no more than came") {
  GroupSize group = {};
  group.taken(90, false);
  CHECK(group.wanted(30) == 90);
  group.taken(40, true);
  CHECK(group.wanted(60) == 35);
  group.taken(10, true);
  CHECK(group.wanted(4) == 0);
}

}  // namespace kv
