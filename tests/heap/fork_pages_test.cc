// What a snapshot by fork does to the pages of the data heap, with the allocator of the server.
#include <csignal>
#include <string>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "free_memory.h"
#include "store/data_heap.h"
#include "tests/persistence/snapshot_fork_fixture.h"
#include "tests/support/memory_map.h"

namespace kv {

TEST_CASE("fork pages: what was split while a child lived is huge again before the next one") {
  if (HugePlaces::collapse_refusal() != 0) return;
  give_up_what_is_free();
  constexpr std::size_t kData = 50'000 * 1000;
  ForkFixture fixture;
  for (int i = 0; i < 50'000; ++i)
    set(fixture.store, fmt::format("key-{}", i), std::string(1000, 'v'), ++fixture.last_revision);
  REQUIRE(fixture.begin(7).get().status.ok());
  fixture.forker->mender().wait_until_done();
  const std::size_t whole = huge_bytes();
  CHECK(whole >= kData);

  fixture.forker.reset();
  fixture.child_writes = false;
  std::future<SnapshotOutcome> outcome = fixture.begin_slow();
  for (int i = 0; i < 50'000; i += 50)
    set(fixture.store, fmt::format("key-{}", i), std::string(1000, 'w'), ++fixture.last_revision);
  CHECK(huge_bytes() < whole - kData / 2);
  ::kill(*fixture.forker->child(), SIGKILL);
  outcome.wait();
  fixture.forker->mender().wait_until_done();
  CHECK(huge_bytes() >= whole - kData / 10);
}

}  // namespace kv
