// The limit of memory: who is refused, what still works, and how it heals.
#include "server/memory_budget.h"

#include <string>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/server/engine_fixture.h"

using namespace kv;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kBehind = 256 << 10;  // what the count may be
constexpr std::int64_t kFar = std::int64_t{1} << 40;

struct Limited : EngineFixture {
  explicit Limited(std::uint64_t limit) { budget.set_limit(limit); }

  static std::string key(int number) { return "key-" + std::to_string(number); }
  // Until one is refused; how many were taken.
  int fill(std::size_t value_bytes) {
    for (int i = 0;; ++i) {
      const auto written = set(key(i), std::string(value_bytes, 'v'));
      if (!written.ok()) {
        CHECK(has_reason(written.status(), Reason::kMemoryLimit));
        return i;
      }
      REQUIRE(i < 1'000'000);
    }
  }
  void look(std::uint64_t beside = 0, std::int64_t headroom = kFar) { budget.look({beside, headroom}, now += 100ms); }

  MemoryBudget& budget = engine.memory();
  MemoryBudget::Time now{};
};

}  // namespace

TEST_CASE("memory: up to the limit every write is taken, beyond it none, and the data stay below it") {
  Limited f(4 * kMiB);
  const std::size_t value_bytes = GENERATE(100u, 10'000u, 300'000u);
  const int taken = f.fill(value_bytes);
  const std::uint64_t used = f.store.totals().memory_bytes;
  CHECK(used <= 4 * kMiB + kBehind);
  CHECK(used + value_bytes + value_bytes / 4 + kBehind + 100 >
        4 * kMiB);  // the allocator rounds up by less than a quarter
  CHECK(f.store.totals().keys == static_cast<std::uint64_t>(taken));
}

TEST_CASE("memory: a refused write changes nothing and takes no number") {
  Limited f(2 * kMiB);
  f.fill(10'000);
  const auto before = f.store.totals();
  const Revision applied = f.journal.applied();
  const auto refused = f.set(f.key(0), std::string(100'000, 'w'));
  REQUIRE(has_reason(refused.status(), Reason::kMemoryLimit));
  CHECK(facts_of(refused.status())["limit"] == std::to_string(2 * kMiB));
  CHECK(f.store.totals() == before);
  CHECK(f.journal.applied() == applied);
  CHECK(f.get(f.key(0)) == std::string(10'000, 'v'));
}

TEST_CASE("memory: deletes and expiries work at the limit, and make room at once") {
  Limited f(4 * kMiB);
  const int taken = f.fill(10'000);
  for (int i = 0; i < taken / 2; ++i) REQUIRE(f.remove(f.key(i)).ok());
  for (int i = 0; i < taken / 3; ++i) CHECK(f.set(f.key(i), std::string(10'000, 'w')).ok());
}

TEST_CASE("memory: a limit below what there is refuses every write and no delete; a higher one lets them in") {
  Limited f(64 * kMiB);
  for (int i = 0; i < 300; ++i) REQUIRE(f.set(f.key(i), std::string(10'000, 'v')).ok());
  f.budget.set_limit(kMiB);
  CHECK(has_reason(f.set("k", "v").status(), Reason::kMemoryLimit));
  CHECK(f.get(f.key(299)) == std::string(10'000, 'v'));
  CHECK(f.remove(f.key(299)).ok());
  f.budget.set_limit(64 * kMiB);
  CHECK(f.set("k", "v").ok());
}

TEST_CASE("memory: every kind of write that can add to the data is refused, a delete never") {
  Limited f(64 * kMiB);
  REQUIRE(f.set("k", "1").ok());
  f.budget.set_limit(1);
  for (const OperationKind kind :
       {OperationKind::kSet, OperationKind::kIncrement, OperationKind::kAppend, OperationKind::kSetExpiry}) {
    CAPTURE(static_cast<int>(kind));
    Operation operation;
    operation.kind = kind;
    operation.key = "k";
    operation.step.delta = 1;
    operation.expiry = {.kind = ExpiryPolicy::Kind::kNever};
    CHECK(has_reason(f.write(operation).status(), Reason::kMemoryLimit));
  }
  CHECK(f.get("k") == "1");
  CHECK(f.remove("k").ok());
  CHECK_FALSE(f.get("k"));
}

TEST_CASE("memory: what is held beside the data counts, as of the last look") {
  Limited f(8 * kMiB);
  f.look(7 * kMiB);
  const int taken = f.fill(10'000);
  CHECK(taken < 130);  // a MiB and what the count may be behind
  f.look(0);
  CHECK(f.fill(10'000) > 500);
  f.look(100 * kMiB);  // more than all there is
  CHECK_FALSE(f.set("k", "").ok());
}

TEST_CASE("memory: when the kernel's limit is near no write is taken, however little there is, until it is not") {
  Limited f(1024 * kMiB);
  REQUIRE(f.set("k", "v").ok());
  f.look(0, 0);
  const auto refused = f.set("k", "w");
  REQUIRE(has_reason(refused.status(), Reason::kMemoryLimit));
  CHECK(std::string(refused.status().message()).find("about to run out") != std::string::npos);
  CHECK(f.budget.pressed());
  CHECK(f.budget.alarmed());
  CHECK(f.get("k") == "v");
  CHECK(f.remove("k").ok());
  f.look(0, 1);
  CHECK_FALSE(f.budget.pressed());
  CHECK(f.set("k", "w").ok());
}

TEST_CASE("memory: the alarm begins with the first refusal and ends when there is room and a second of calm") {
  Limited f(4 * kMiB);
  const int taken = f.fill(10'000);
  CHECK(f.budget.alarmed());
  f.look();
  for (int i = 0; i < 20; ++i) f.look();
  CHECK(f.budget.alarmed());  // calm, but full
  for (int i = 0; i < taken / 2; ++i) REQUIRE(f.remove(f.key(i)).ok());
  f.look();
  CHECK_FALSE(f.budget.alarmed());
  CHECK(f.fill(10'000) > 0);
  for (int i = 0; i < taken / 2; ++i) REQUIRE(f.remove(f.key(i)).ok());
  for (int i = 0; i < 10; ++i) f.look();
  CHECK(f.budget.alarmed());  // room, but no calm yet
  f.look();
  CHECK_FALSE(f.budget.alarmed());
}
