#include "bench/goal.h"

#include <catch2/catch.hpp>

namespace kv {
namespace {

using namespace std::chrono_literals;

Measurement run_of(std::chrono::nanoseconds latency, std::uint64_t answered, std::uint64_t failed,
                   std::uint64_t late = 0) {
  Measurement run;
  run.duration = 1s;
  run.record.intended = answered + failed + late;
  run.record.in_time = answered;
  run.record.failed_in_time = failed;
  KindRecord& reads = run.record.kinds[0];
  reads.answered = answered;
  reads.failed = failed;
  reads.from_intended.add(latency, answered);
  return run;
}

TEST_CASE("goal: what is written is what must be met, and anything else is refused") {
  const auto goal = parse_goal("p50=1ms,p99.9=20ms,errors=0");
  REQUIRE(goal.ok());
  CHECK(goal->latencies.size() == 2);
  CHECK(goal->latencies[1].fraction == Approx(0.999));
  CHECK(goal->latencies[1].most == 20ms);
  CHECK(goal->errors == 0U);
  for (const char* text : {"", "p99", "p99=2", "p100=2ms", "p0=2ms", "errors=x", "mean=2ms", "p99=2ms,"}) {
    INFO(text);
    CHECK_FALSE(parse_goal(text).ok());
  }
}

TEST_CASE("goal: a run misses it by its latency, its errors, or by being saturated") {
  const Goal goal = *parse_goal("p99=2ms,errors=1");
  CHECK_FALSE(missed(goal, run_of(1ms, 100, 1)).has_value());
  CHECK(missed(goal, run_of(3ms, 100, 0)).value().starts_with("p99 is 3.0"));
  CHECK(missed(goal, run_of(1ms, 100, 2)).value() == "2 errors");
  CHECK(missed(goal, run_of(1ms, 98, 0, 2)).value() == "saturated at 98/s");
  CHECK(missed(goal, run_of(1ms, 0, 0)).value() == "nothing was answered");
  CHECK(missed(goal, run_of(1ms, 0, 0, 100)).value() == "nothing was answered");
  Measurement at_the_warm_up = run_of(1ms, 0, 0, 100);
  at_the_warm_up.record.series.resize(1);
  at_the_warm_up.record.series[0].answered = 50;
  CHECK_FALSE(at_the_warm_up.answered_nothing());
  CHECK(missed(goal, at_the_warm_up).value() == "saturated at 0/s");
}

TEST_CASE("goal: without errors= more than 1 % failed misses it, with errors= only more than that") {
  const Goal goal = *parse_goal("p99=2ms");
  CHECK_FALSE(missed(goal, run_of(1ms, 990, 10)).has_value());
  CHECK(missed(goal, run_of(1ms, 500, 500)).value() == "50.0 % failed");
  CHECK_FALSE(missed(*parse_goal("p99=2ms,errors=500"), run_of(1ms, 500, 500)).has_value());
}

TEST_CASE("goal: what failed is not achieved, and fails a run without making it a saturated one") {
  const Measurement run = run_of(1ms, 50, 50);
  CHECK(run.intended_rate() == 100);
  CHECK(run.achieved_rate() == 50);
  CHECK(run.failing());
  CHECK_FALSE(run.saturated());
  CHECK_FALSE(run_of(1ms, 99, 1).failing());
}

TEST_CASE("goal: a run that answers 99 % of its schedule in time is not saturated, below that it is") {
  CHECK_FALSE(run_of(1ms, 99, 0, 1).saturated());
  CHECK(run_of(1ms, 989, 0, 11).saturated());
  Measurement closed = run_of(1ms, 1, 0, 99);
  closed.open = false;
  CHECK_FALSE(closed.saturated());
}

// Tries the rates that the search asks for at a server that is good up to `limit`.
std::optional<double> found(double from, double to, double limit, int& tries) {
  RateSearch search(from, to);
  for (tries = 0; search.next() && tries < 100; ++tries) search.tried(*search.next() <= limit);
  return search.best();
}

TEST_CASE("search: it ends within 5 % below the limit, at the last rate, or with nothing when the first is too much") {
  int tries = 0;
  for (const double limit : {1000.0, 1001.0, 4711.0, 640'000.0}) {
    const auto best = found(1000, 1e6, limit, tries);
    REQUIRE(best.has_value());
    CHECK(*best <= limit);
    CHECK(*best * RateSearch::kNear >= limit);
    CHECK(tries < 20);
  }
  CHECK(found(1000, 5000, 1e9, tries) == 5000);
  CHECK_FALSE(found(1000, 5000, 999, tries).has_value());
  CHECK(tries == 1);
}

}  // namespace
}  // namespace kv
