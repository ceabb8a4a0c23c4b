#include "core/clock.h"

#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/manual_clock.h"

namespace kv {
namespace {

UnixMillis wall() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

TEST_CASE("clock: it shows the wall time and never goes back") {
  const UnixMillis before = wall();
  const SystemClock clock;
  UnixMillis last = clock.now();
  CHECK(last >= before - 1);
  for (int i = 0; i < 1000; ++i) {
    const UnixMillis now = clock.now();
    REQUIRE(now >= last);
    last = now;
  }
}

TEST_CASE("clock: it is never ahead of the wall clock, whenever in a millisecond it was made, and hardly behind") {
  for (int round = 0; round < 200; ++round) {
    const SystemClock clock;
    for (int i = 0; i < 50; ++i) {
      const UnixMillis before = wall();
      const UnixMillis now = clock.now();
      REQUIRE(now <= wall());
      REQUIRE(now >= before - 2);
    }
  }
}

TEST_CASE("clock: it starts no lower than what was seen before, and goes on from there") {
  SystemClock clock;
  const UnixMillis future = wall() + 1'000'000;
  clock.start_no_lower_than(future);
  const UnixMillis first = clock.now();
  CHECK(first >= future);
  CHECK(first < future + 500'000);
  CHECK(clock.now() >= first);
}

TEST_CASE("clock: a floor in the past changes nothing") {
  SystemClock clock;
  const UnixMillis before = clock.now();
  clock.start_no_lower_than(1);
  clock.start_no_lower_than(-1);
  CHECK(clock.now() >= before);
  CHECK(clock.now() < before + 500'000);
}

TEST_CASE("clock: each of many threads sees it go forward only, while its floor is raised") {
  SystemClock clock;
  const UnixMillis start = clock.now();
  std::vector<std::thread> threads;
  std::atomic<bool> went_back = false;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      UnixMillis last = 0;
      for (int i = 0; i < 1000; ++i) {
        if (thread == 0) clock.start_no_lower_than(start + i * 10);
        const UnixMillis now = clock.now();
        if (now < last) went_back = true;
        last = now;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(went_back);
  CHECK(clock.now() >= start + 9990);
}

TEST_CASE("clock: the manual one moves when it is told to") {
  ManualClock clock(100);
  clock.advance(std::chrono::milliseconds(5));
  CHECK(clock.now() == 105);
  clock.start_no_lower_than(50);
  CHECK(clock.now() == 105);
  clock.start_no_lower_than(200);
  CHECK(clock.now() == 200);
}

}  // namespace kv
