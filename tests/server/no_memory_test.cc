// A request that there is no memory for is refused in words, and harms nobody: neither the lock that it held nor the
// next caller.
#include <chrono>
#include <cstdlib>
#include <thread>

#include <catch2/catch.hpp>

#include "server/pipeline_call.h"
#include "server/pipeline_message.h"
#include "tests/server/held_disk.h"
#include "tests/server/pipeline_fixture.h"
#include "tests/server/range_fixture.h"
#include "tests/server/refused_memory.h"
#include "tests/server/service_fixture.h"

using namespace kv;
using grpc::StatusCode;

namespace {

constexpr std::size_t kLarge = 300'000;

std::string name_of(int number) { return "key " + std::to_string(number); }

template <class Response>
void check_no_memory(const Reply<Response>& refused) {
  check_refused(refused.status, StatusCode::RESOURCE_EXHAUSTED, "MEMORY_LIMIT");
}

}  // namespace

TEST_CASE("no memory: old get is refused when its value cannot be copied, and the key's shard goes on") {
  ServiceFixture f;
  REQUIRE(f.set("large", std::string(kLarge, 'v')).ok());
  REQUIRE(f.set("small", "v").ok());
  {
    const RefusedMemory refused(kLarge, 2 * kLarge);
    check_no_memory(f.get("large"));
    CHECK(refused.times() == 1);
    CHECK(f.get("small").response.value() == "v");
  }
  CHECK(f.set("large", "short now").ok());
  CHECK(f.get("large").response.value() == "short now");
}

TEST_CASE("no memory: old set is refused when its value cannot be read from the message, and nothing is changed") {
  ServiceFixture f;
  REQUIRE(f.set("key", "before").ok());
  kvstore::SetRequest request;
  request.set_key("key");
  request.set_value(std::string(kLarge, 'v'));
  const std::string bytes = request.SerializeAsString();
  {
    // The whole message too is larger, but raw calls send it in pieces.
    const RefusedMemory refused(kLarge, kLarge + 1);
    const auto reply = f.raw("Set", bytes);
    check_no_memory(reply);
    CHECK(refused.times() == 1);
  }
  CHECK(f.get("key").response.value() == "before");
}

TEST_CASE("no memory: old keys is refused when the names do not fit") {
  ServiceFixture f;
  constexpr int kKeys = 10'000;
  for (int i = 0; i < kKeys; ++i) REQUIRE(f.set(name_of(i), "v").ok());
  {
    // The block of names doubles: one of its steps, which is no size of anything else.
    const RefusedMemory refused(128 << 10, (128 << 10) + 1);
    check_no_memory(f.keys());
    CHECK(refused.times() == 1);
  }
  CHECK(f.keys().response.keys_size() == kKeys);
}

TEST_CASE("no memory: wherever it runs out in a scan, the scan is refused and its place is free again") {
  constexpr std::size_t kPrefixBytes = 60'000;
  Limits limits;
  limits.scans_max = 1;
  RangeFixture f({}, posix_file_system(), limits);
  f.fill(10);
  v1::ScanRequest request;
  request.mutable_range()->set_prefix(std::string(kPrefixBytes, 'p'));
  std::size_t refusals = 0;
  while (true) {
    const RefusedMemory refused(kPrefixBytes, kPrefixBytes + 1, refusals);
    const Scanned scanned = f.scan(request);
    CAPTURE(refusals, scanned.status.error_message());
    if (refused.times() == 0) {
      CHECK(scanned.ok());
      break;
    }
    ++refusals;
    REQUIRE(refusals < 100);
    CHECK(scanned.reason() == "MEMORY_LIMIT");
  }
  CHECK(refusals > 1);
  CHECK(f.scan().shown == 10);
}

TEST_CASE(
    "no memory: a pipeline's stream ends with an incident when its answer cannot be made, and a stop does not hang") {
  HeldDisk disk;
  KeyValueFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  Message m(1);
  for (std::size_t i = 1; i < kPipelineOperationsMax; ++i) m.get("k");
  m.set("k", "v");
  PipelineStream stream(*f.stub);
  disk.hold(true);
  {
    // What is kept of an answer that waits for the disk.
    constexpr std::size_t kBytes = kPipelineOperationsMax * sizeof(WaitingAnswer::Result);
    const RefusedMemory refused(kBytes, kBytes);
    REQUIRE(stream.send(m.request));
    CHECK_FALSE(stream.receive());
    CHECK(refused.times() == 1);
  }
  const grpc::Status ended = stream.finish();
  CHECK(ended.error_code() == StatusCode::INTERNAL);
  CHECK_THAT(ended.error_message(), Catch::Matchers::Contains("incident"));
  disk.hold(false);
  const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (f.server.calls_in_flight() != 0) {
    if (std::chrono::steady_clock::now() > late) std::abort();  // A stop waits for it for ever, and so would the test.
    std::this_thread::yield();
  }
  PipelineStream next(*f.stub);
  CHECK(next.call(Message(2).get("k").request).results(0).get().entry().value() == "v");
}
