// Request ids in messages of a Pipeline: an operation that is sent again is applied once.
#include <atomic>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/server/held_disk.h"
#include "tests/server/pipeline_fixture.h"

using namespace kv;
using grpc::StatusCode;

namespace {

std::string id_of(std::uint64_t number) {
  std::string id(16, '\0');
  for (std::size_t i = 0; i < sizeof number; ++i) id[i] = static_cast<char>(number >> (8 * i));
  return id;
}

Message& increment(Message& message, const std::string& key, std::uint64_t id) {
  message.increment(key, 1);
  message.last().mutable_increment()->mutable_options()->set_request_id(id_of(id));
  return message;
}

}  // namespace

TEST_CASE("pipeline: an operation with a request id is applied once, within a message and on another stream") {
  KeyValueFixture f(FsyncPolicy::kAlways);
  v1::WriteResult first;
  {
    PipelineStream stream(*f.stub);
    Message m(1);
    increment(m, "n", 1);
    increment(m, "n", 1);
    increment(m, "n", 2);
    m.increment("n", 1);
    const v1::PipelineResponse r = stream.call(m.request);
    REQUIRE(r.results_size() == 4);
    first = r.results(0).increment().write();
    CHECK_FALSE(first.replayed());
    CHECK(r.results(1).increment().value() == 1);
    CHECK(r.results(1).increment().write().replayed());
    CHECK(r.results(1).increment().write().revision() == first.revision());
    CHECK(r.results(2).increment().value() == 2);
    CHECK_FALSE(r.results(2).increment().write().replayed());
    CHECK(r.results(3).increment().value() == 3);
  }
  PipelineStream stream(*f.stub);
  Message m(1);
  increment(m, "n", 1);
  increment(m, "other", 2);
  const v1::PipelineResponse r = stream.call(m.request);
  CHECK(r.results(0).increment().value() == 1);
  CHECK(r.results(0).increment().write().replayed());
  CHECK(r.results(0).increment().write().revision() == first.revision());
  CHECK(r.results(0).increment().write().durability() == v1::DURABILITY_DISK);
  CHECK(r.results(1).error().reason() == "REQUEST_ID_REUSED");
  CHECK(f.value("n") == "3");
  CHECK_FALSE(f.value("other"));
  // The same write, sent as a call of its own, is the same request.
  v1::IncrementRequest alone;
  alone.set_key("n");
  alone.set_delta(1);
  alone.mutable_options()->set_request_id(id_of(2));
  const auto again = f.increment(alone);
  REQUIRE(again.ok());
  CHECK(again.response.write().replayed());
  CHECK(again.response.value() == 2);
}

TEST_CASE("pipeline: what an operation with an id found is remembered, whatever the key holds by then") {
  KeyValueFixture f;
  REQUIRE(f.set("text", "no number").ok());
  PipelineStream stream(*f.stub);
  Message m(1);
  increment(m, "text", 1);
  m.remove("missing").last().mutable_delete_()->mutable_options()->set_request_id(id_of(2));
  const v1::PipelineResponse first = stream.call(m.request);
  CHECK(first.results(0).error().reason() == "NOT_AN_INTEGER");
  CHECK_FALSE(first.results(1).delete_().deleted());
  REQUIRE(f.set("text", "1").ok());
  REQUIRE(f.set("missing", "there now").ok());
  const v1::PipelineResponse again = stream.call(m.request);
  CHECK(again.results(0).error().reason() == "NOT_AN_INTEGER");
  CHECK_FALSE(again.results(1).delete_().deleted());
  CHECK(again.results(1).delete_().write().replayed());
  CHECK(f.value("text") == "1");
  CHECK(f.value("missing") == "there now");
}

TEST_CASE("pipeline: a message has an id of its own only when it is atomic, and is applied once then") {
  KeyValueFixture f;
  PipelineStream stream(*f.stub);
  Message m(5);
  m.set("a", "1").increment("n", 7).atomic();
  m.request.mutable_options()->set_request_id(id_of(1));
  const v1::PipelineResponse first = stream.call(m.request);
  CHECK(first.results(1).increment().value() == 7);
  const v1::PipelineResponse again = stream.call(m.request);
  CHECK(again.id() == 5);
  CHECK(again.results().empty());
  CHECK(again.write().replayed());
  CHECK(again.write().revision() == first.write().revision());
  CHECK(f.value("n") == "7");

  m.request.set_atomic(false);
  REQUIRE(stream.send(m.request));
  CHECK_FALSE(stream.receive());
  check_field(stream.finish(), "options.request_id");
  CHECK(f.value("n") == "7");
}

TEST_CASE("pipeline: duplicates on many streams at once are applied once") {
  constexpr std::uint64_t kMessages = 40;
  constexpr std::uint64_t kOperations = 50;
  KeyValueFixture f(FsyncPolicy::kNever);
  std::atomic<std::uint64_t> replayed{0};
  std::vector<std::thread> clients;
  for (int t = 0; t < 4; ++t) {
    clients.emplace_back([&] {
      PipelineStream stream(*f.stub);
      for (std::uint64_t id = 0; id < kMessages; ++id) {
        Message m(id);
        for (std::uint64_t i = 0; i < kOperations; ++i) {
          const std::uint64_t number = id * kOperations + i;
          increment(m, "n" + std::to_string(number % 7), number);
        }
        const v1::PipelineResponse answer = stream.call(m.request);
        for (const v1::OperationResult& result : answer.results()) {
          if (result.increment().write().replayed()) ++replayed;
        }
      }
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(replayed == 3 * kMessages * kOperations);
  CHECK(f.engine.replayed_total() == replayed);
  std::int64_t sum = 0;
  for (int i = 0; i < 7; ++i) sum += std::stoll(f.value("n" + std::to_string(i)).value());
  CHECK(sum == static_cast<std::int64_t>(kMessages * kOperations));
}

TEST_CASE("pipeline: a retry waits for the disk its first attempt waits for, and is not answered when it fails") {
  HeldDisk disk;
  KeyValueFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  PipelineStream first(*f.stub);
  PipelineStream second(*f.stub);
  Message safe(1);
  increment(safe, "safe", 1);
  CHECK(first.call(safe.request).results(0).increment().value() == 1);
  disk.hold(true);
  Message m(2);
  increment(m, "n", 2);
  increment(m, "safe", 1);
  REQUIRE(first.send(m.request));
  while (f.journal.applied() < 2) std::this_thread::yield();
  REQUIRE(second.send(m.request));
  while (f.engine.replayed_total() < 3) std::this_thread::yield();
  disk.fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
  disk.hold(false);
  const auto failed = first.receive();
  REQUIRE(failed);
  CHECK(failed->results(0).error().reason() == "OUTCOME_UNKNOWN");
  CHECK(failed->results(1).increment().write().replayed());
  const auto retried = second.receive();
  REQUIRE(retried);
  CHECK(retried->results(0).error().reason() == "NOT_DURABLE");
  CHECK(retried->results(1).increment().write().replayed());
  // Nothing can be written any more; what is on disk is still answered.
  const v1::PipelineResponse later = second.call(m.request);
  CHECK(later.results(0).error().reason() == "NOT_DURABLE");
  CHECK(later.results(1).increment().value() == 1);
  Message fresh(3);
  increment(fresh, "n", 3);
  CHECK(second.call(fresh.request).results(0).error().reason() == "WRITES_SUSPENDED");
}

TEST_CASE("pipeline: the limit of memory refuses what adds to the data; removals, reads and retries go on") {
  KeyValueFixture f;
  PipelineStream stream(*f.stub);
  Message m(1);
  increment(m, "n", 1);
  m.set("k", "v");
  REQUIRE(stream.call(m.request).results(1).set().applied());
  f.engine.memory().set_limit(1);
  increment(m, "n", 2);
  m.append("k", "w").remove("k").get("n");
  const v1::PipelineResponse full = stream.call(m.request);
  REQUIRE(full.results_size() == 6);
  CHECK(full.results(0).increment().write().replayed());
  for (const int refused : {1, 2, 3}) CHECK(full.results(refused).error().reason() == "MEMORY_LIMIT");
  CHECK(full.results(4).delete_().deleted());
  CHECK(full.results(5).get().entry().value() == "1");
  f.engine.memory().set_limit(1 << 30);
  CHECK(stream.call(Message(2).set("k", "v").request).results(0).set().applied());
}
