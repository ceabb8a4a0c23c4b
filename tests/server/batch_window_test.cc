// How much of a batch is carried out in one go.
#include <string>

#include <catch2/catch.hpp>

#include "server/batch.h"
#include "tests/server/engine_fixture.h"

using namespace kv;

TEST_CASE("batch: values that get another expiry count for what is carried out in one go") {
  EngineFixture f;
  constexpr std::size_t kValueBytes = 300 << 10;
  REQUIRE(f.set("k", std::string(kValueBytes, 'v')).ok());
  REQUIRE(f.set("short", "v").ok());
  const auto steps_of = [&f](std::string_view key) {
    Batch batch;
    for (int i = 0; i < 100; ++i) {
      Operation& operation = batch.add().operation;
      operation.kind = OperationKind::kSetExpiry;
      operation.key = key;
      operation.expiry = {ExpiryPolicy::Kind::kNever, 0};
    }
    batch.plan(f.store);
    const Batch::Window window = batch.window(0, f.store, f.clock.now(), 0);
    return window.end - window.begin;
  };
  CHECK(steps_of("k") == 3);
  CHECK(steps_of("short") == 100);
}
