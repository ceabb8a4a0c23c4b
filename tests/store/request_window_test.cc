#include "store/request_window.h"

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "core/bytes.h"
#include "store/frozen_walk.h"
#include "store/store.h"
#include "tests/store/failing_allocation.h"

using namespace kv;
using namespace std::chrono_literals;

namespace {

constexpr UnixMillis kStart = 1'700'000'000'000;

RequestId id_of(std::uint64_t number) {
  RequestId id{};
  kv::store(id.data(), number);
  return id;
}

RequestBlock block_of(std::uint64_t number) {
  return {.id = id_of(number),
          .request_hash = number * 7,
          .applied = true,
          .created = number % 2 == 0,
          .added = number,
          .value = -static_cast<std::int64_t>(number)};
}

// A window, a clock, and the numbers that stand for ids.
struct WindowFixture {
  explicit WindowFixture(RequestBounds bounds = {}) : window(bounds) {}

  void remember(std::uint64_t number) {
    RequestClaim claim = window.claim(id_of(number), now);
    REQUIRE_FALSE(claim.first());
    claim.remember(block_of(number), ++revision);
  }
  void remember(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t number = first; number <= last; ++number) remember(number);
  }
  bool knows(std::uint64_t number) const { return window.find(id_of(number), now).has_value(); }
  std::uint64_t ids() const { return window.figures(now).ids; }
  std::chrono::milliseconds kept() const { return window.figures(now).kept; }

  RequestWindow window;
  UnixMillis now = kStart;
  Revision revision = 0;
};

TEST_CASE("request window: the first answer is found again, with everything that is kept of it") {
  WindowFixture f;
  f.remember(1, 3);
  const auto found = f.window.find(id_of(2), f.now);
  REQUIRE(found);
  CHECK(*found == RememberedRequest{.block = block_of(2), .revision = 2, .time = kStart});
  CHECK(f.window.claim(id_of(3), f.now).first()->revision == 3);
  CHECK_FALSE(f.knows(4));
  CHECK(f.ids() == 3);
}

TEST_CASE("request window: a claim that is dropped leaves nothing behind") {
  WindowFixture f;
  { const RequestClaim claim = f.window.claim(id_of(1), f.now); }
  CHECK_FALSE(f.knows(1));
  CHECK(f.ids() == 0);
  CHECK(f.window.count_frozen() == 0);
  f.remember(1);
  CHECK(f.knows(1));
}

TEST_CASE("request window: what it does not hold would not be found; what it holds may lie behind") {
  WindowFixture f({.age = 1s, .count = 100});
  CHECK_FALSE(f.window.holds(id_of(1)));
  f.remember(1, 3);
  CHECK(f.window.holds(id_of(1)));
  CHECK(f.window.holds(id_of(3)));
  CHECK_FALSE(f.window.holds(id_of(4)));
  f.now += 1000;
  CHECK_FALSE(f.knows(3));
  CHECK(f.window.holds(id_of(3)));
  for (std::size_t stripe = 0; stripe < RequestWindow::kStripes; ++stripe) f.window.forget(stripe, f.now, 10);
  CHECK_FALSE(f.window.holds(id_of(3)));
}

TEST_CASE("request window: an id is found until its age is over, and may then be used again") {
  WindowFixture f({.age = 10min});
  f.remember(1);
  f.now += std::chrono::milliseconds(10min).count() - 1;
  CHECK(f.knows(1));
  CHECK(f.window.claim(id_of(1), f.now).first());
  f.now += 1;
  CHECK_FALSE(f.knows(1));
  CHECK(f.ids() == 0);
  f.remember(1);
  CHECK(f.window.find(id_of(1), f.now)->revision == 2);
  CHECK(f.kept() == 10min);
}

TEST_CASE("request window: beyond the count exactly the oldest go, whatever stripe they lie in") {
  for (const std::uint64_t most : {1, 2, 7, 100, 1000}) {
    WindowFixture f({.age = 10min, .count = most});
    f.remember(1, 3000);
    std::set<std::uint64_t> known;
    for (std::uint64_t number = 1; number <= 3000; ++number) {
      if (f.knows(number)) known.insert(number);
    }
    CHECK(known.size() == most);
    CHECK(*known.begin() == 3000 - most + 1);
    CHECK(f.ids() == most);
    // What is left behind waits for the next id of its stripe.
    CHECK(f.window.count_frozen() <= most + 32 * RequestWindow::kStripes);
  }
}

TEST_CASE("request window: while tables grow and old ids go, each id that is there is found") {
  constexpr std::uint64_t kKept = 3000;
  WindowFixture f({.count = kKept});
  for (std::uint64_t newest = 100; newest <= 4 * kKept; newest += 100) {
    f.remember(newest - 99, newest);
    const std::uint64_t oldest = newest > kKept ? newest - kKept + 1 : 1;
    for (std::uint64_t number = oldest; number <= newest; ++number) {
      f.window.prefetch(id_of(number));
      if (!f.knows(number)) FAIL("id " << number << " of " << oldest << " to " << newest << " is not found");
    }
    if (oldest > 1 && f.knows(oldest - 1)) FAIL("id " << oldest - 1 << " is found, beyond " << newest);
  }
}

TEST_CASE("request window: the window really kept is the age, or what the count leaves of it") {
  WindowFixture f({.age = 10min, .count = 100});
  CHECK(f.kept() == 10min);
  for (int i = 1; i <= 100; ++i, f.now += 1000) f.remember(i);
  CHECK(f.kept() == 10min);  // Nothing had to go yet.
  for (int i = 101; i <= 200; ++i, f.now += 1000) f.remember(i);
  // The youngest that went came 101 s ago: whatever is younger is there.
  CHECK(f.kept() == 101s);
  f.now += std::chrono::milliseconds(10min).count();
  CHECK(f.kept() == 10min);
}

TEST_CASE("request window: what lies behind is freed on demand, in bounded steps, and its memory comes back") {
  WindowFixture f({.age = 1min, .count = 1'000'000});
  const std::uint64_t empty = f.window.figures(f.now).memory_bytes;
  f.remember(1, 50'000);
  const std::uint64_t full = f.window.figures(f.now).memory_bytes;
  CHECK((full - empty) / 50'000 <= 100);
  f.now += std::chrono::milliseconds(1min).count();
  CHECK(f.window.forget(0, f.now, 10) == 10);
  std::uint64_t freed = 10;
  for (std::size_t stripe = 0; stripe < RequestWindow::kStripes; ++stripe) {
    while (const std::size_t now_freed = f.window.forget(stripe, f.now, 100)) freed += now_freed;
  }
  CHECK(freed == 50'000);
  CHECK(f.window.count_frozen() == 0);
  CHECK(f.window.figures(f.now).memory_bytes < full / 4);
  f.remember(50'001);
  CHECK(f.knows(50'001));
}

TEST_CASE("request window: an id that was used again is not lost when its old slot is freed") {
  WindowFixture f({.age = 1min, .count = 1'000'000});
  f.remember(1);
  f.now += std::chrono::milliseconds(1min).count();
  f.remember(1);
  f.remember(2, 2000);  // The first slot of 1 goes meanwhile.
  CHECK(f.window.count_frozen() == 2000);
  CHECK(f.window.find(id_of(1), f.now)->revision == 2);
}

TEST_CASE("request window: the frozen walk visits every id once, and its count says how many") {
  WindowFixture f;
  f.remember(1, 5000);
  std::set<Revision> seen;
  f.window.for_each_frozen([&](const RememberedRequest& request) {
    CHECK(request.block == block_of(request.revision));
    seen.insert(request.revision);
  });
  CHECK(seen.size() == 5000);
  CHECK(f.window.count_frozen() == 5000);
}

TEST_CASE("request window: what is restored is found, bounded by its own times, and the last of an id counts") {
  RequestWindow window({.age = 1min, .count = 100});
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    window.restore({.block = block_of(i), .revision = i, .time = kStart + static_cast<UnixMillis>(i) * 1000});
  }
  const UnixMillis now = kStart + 1'000'000;
  CHECK(window.figures(now).ids == 60);
  CHECK(window.count_frozen() <= 100 + 32 * RequestWindow::kStripes);
  CHECK(window.find(id_of(941), now));
  CHECK_FALSE(window.find(id_of(940), now));
  window.restore({.block = block_of(941), .revision = 2000, .time = now});
  CHECK(window.find(id_of(941), now)->revision == 2000);
  window.clear();
  CHECK(window.count_frozen() == 0);
  CHECK_FALSE(window.find(id_of(1000), now));
}

// A DeleteRange has a record where it begins and one where it ends, which may say the same time. Of two in a snapshot
// the first could be restored last, and a retry would be told what the beginning knew.
TEST_CASE("request window: room that is made for many is bounded by the window, and loses nobody") {
  WindowFixture f({.count = 4000});
  f.remember(1, 300);
  const std::uint64_t before = f.window.figures(f.now).memory_bytes;
  f.window.reserve(1'000'000'000'000);
  const std::uint64_t made = f.window.figures(f.now).memory_bytes;
  CHECK(made > before);
  CHECK(made < before + 4000 * 2 * 16);
  for (std::uint64_t number = 301; number <= 4000; ++number) {
    f.window.restore({.block = block_of(number), .revision = number, .time = f.now});
  }
  for (std::uint64_t number = 1; number <= 4000; ++number) {
    if (!f.knows(number)) FAIL("id " << number << " is not found");
  }
  f.window.reserve(10);  // less than there is
  CHECK(f.knows(1));
  CHECK(f.knows(4000));
}

TEST_CASE("request window: of an id that is restored twice every trace says what was said last") {
  RequestWindow window({.age = 1min, .count = 100});
  window.restore({.block = block_of(1), .revision = 1, .time = kStart});
  RequestBlock ended = block_of(1);
  ended.value = 17;
  for (const UnixMillis time : {kStart, kStart + 30'000}) {
    window.restore({.block = ended, .revision = 2, .time = time});
    CHECK(window.find(id_of(1), kStart)->block == ended);
    window.for_each_frozen([&](const RememberedRequest& request) {
      CHECK(request.block == ended);
      CHECK(request.revision == 2);
    });
  }
  CHECK(window.find(id_of(1), kStart + 89'999));
  CHECK_FALSE(window.find(id_of(1), kStart + 90'000));
}

TEST_CASE("request window: a time long ago, or none, is no reason to remember") {
  RequestWindow window({});
  window.restore({.block = block_of(1), .revision = 1, .time = -5});
  CHECK_FALSE(window.find(id_of(1), kStart));
}

TEST_CASE("request window: of many that come at once with one id, one is applied and the others find it") {
  RequestWindow window({.age = 10min, .count = 1'000'000});
  std::atomic<Revision> revision{0};
  std::atomic<std::uint64_t> applied{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t number = 0; number < 2000; ++number) {
        RequestClaim claim = window.claim(id_of(number), kStart);
        if (claim.first()) {
          if (claim.first()->block != block_of(number)) std::terminate();
          continue;
        }
        claim.remember(block_of(number), ++revision);
        ++applied;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(applied == 2000);
  CHECK(window.figures(kStart).ids == 2000);
}

TEST_CASE("request window: a claim that gets no memory throws and leaves the window as it was") {
  WindowFixture f;
  f.remember(1, 1000);
  std::uint64_t refused = 0;
  for (std::uint64_t number = 1001; number <= 3000; ++number) {
    FailingAllocation failing(1);
    try {
      RequestClaim claim = f.window.claim(id_of(number), f.now);
      claim.remember(block_of(number), ++f.revision);
    } catch (const std::bad_alloc&) {
      ++refused;
    }
  }
  CHECK(refused > 0);
  CHECK(f.ids() == 3000 - refused);
  for (std::uint64_t number = 1; number <= 1000; ++number) CHECK(f.knows(number));
}

TEST_CASE("store: clearing it forgets the request ids too") {
  Store store({.shard_count = 1});
  store.requests().restore({.block = block_of(1), .revision = 1, .time = kStart});
  store.clear();
  CHECK_FALSE(store.requests().find(id_of(1), kStart));
}

}  // namespace

TEST_CASE("request window: what is amended is said from then on, and leaves the window when it would have") {
  WindowFixture f;
  f.remember(1, 3);
  {
    RequestClaim claim = f.window.claim(id_of(2), f.now + 1000);
    REQUIRE(claim.first());
    RequestBlock changed = block_of(2);
    changed.added = 77;
    claim.amend(changed, 9);
  }
  const auto found = f.window.find(id_of(2), f.now);
  REQUIRE(found);
  CHECK(found->block.added == 77);
  CHECK(found->revision == 9);
  CHECK(found->time == f.now);
  CHECK(f.ids() == 3);
  f.now += std::chrono::milliseconds(10min).count();
  CHECK_FALSE(f.knows(2));
}
