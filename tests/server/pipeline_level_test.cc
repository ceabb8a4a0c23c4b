// The level of a pipeline's message: which operations it counts for, and what its answer claims.
#include <catch2/catch.hpp>

#include "tests/server/held_disk.h"
#include "tests/server/pipeline_fixture.h"

using namespace kv;

TEST_CASE("pipeline: a message's level counts for operations that name none") {
  KeyValueFixture f(FsyncPolicy::kInterval);
  PipelineStream stream(*f.stub);
  Message m(1);
  m.set("a", "1").set("b", "2").last().mutable_set()->mutable_options()->set_durability(v1::DURABILITY_MEMORY);
  m.request.mutable_options()->set_durability(v1::DURABILITY_DISK);
  const v1::PipelineResponse r = stream.call(m.request);
  CHECK(r.results(0).set().write().durability() == v1::DURABILITY_DISK);
  CHECK(r.results(1).set().write().durability() == v1::DURABILITY_MEMORY);
  CHECK(r.write().durability() == v1::DURABILITY_MEMORY);  // that both of them have
  CHECK(f.journal.durable() >= r.results(0).set().write().revision());
}

TEST_CASE("pipeline: a message claims a level only for writes that were carried out") {
  KeyValueFixture f;
  PipelineStream stream(*f.stub);
  Message reads(1);
  reads.get("a").get("b").request.mutable_options()->set_durability(v1::DURABILITY_DISK);
  const v1::PipelineResponse read = stream.call(reads.request);
  CHECK(read.results(0).has_get());
  CHECK_FALSE(read.has_write());

  Message refused(2);
  refused.set("a", "1").remove("b").get("a").request.mutable_options()->set_durability(v1::DURABILITY_DISK);
  const v1::PipelineResponse none = stream.call(refused.request);
  CHECK(none.results(0).error().reason() == "DURABILITY_UNAVAILABLE");
  CHECK(none.results(1).error().reason() == "DURABILITY_UNAVAILABLE");
  CHECK(none.results(2).has_get());
  CHECK_FALSE(none.has_write());

  refused.atomic().request.set_id(3);
  const v1::PipelineResponse atomic = stream.call(refused.request);
  for (const v1::OperationResult& result : atomic.results()) CHECK(result.error().reason() == "DURABILITY_UNAVAILABLE");
  CHECK_FALSE(atomic.has_write());

  Message partly(4);
  partly.set("a", "1").last().mutable_set()->mutable_options()->set_durability(v1::DURABILITY_MEMORY);
  partly.set("b", "2").request.mutable_options()->set_durability(v1::DURABILITY_OS);
  const v1::PipelineResponse one = stream.call(partly.request);
  CHECK(one.results(1).error().reason() == "DURABILITY_UNAVAILABLE");
  CHECK(one.write().durability() == v1::DURABILITY_MEMORY);
  CHECK(one.write().revision() == one.results(0).set().write().revision());
  CHECK(f.journal.applied() == 1);
}

TEST_CASE("pipeline: under fsync NEVER a write that changes nothing waits until what it saw is with the kernel") {
  HeldDisk disk(DiskCall::kWrite);
  KeyValueFixture f(FsyncPolicy::kNever, disk.fs, {}, "/log");
  REQUIRE(f.set("gone", "v").ok());
  PipelineStream stream(*f.stub);
  disk.hold(true);
  Message first(1);
  first.remove("gone").last().mutable_delete_()->mutable_options()->set_durability(v1::DURABILITY_MEMORY);
  CHECK(stream.call(first.request).results(0).delete_().deleted());
  REQUIRE(stream.send(Message(2).remove("gone").request));
  const auto early = stream.call(Message(3).get("gone").request);
  CHECK(early.id() == 3);
  disk.hold(false);
  const auto late = stream.receive();
  REQUIRE(late);
  CHECK(late->id() == 2);
  CHECK_FALSE(late->results(0).delete_().deleted());
  CHECK(f.journal.watermarks().os >= 2);
}

TEST_CASE(
    "pipeline: an atomic message that only reads shows nothing before it is on disk, whatever level it asks for") {
  const v1::Durability asked =
      GENERATE(v1::DURABILITY_UNSPECIFIED, v1::DURABILITY_MEMORY, v1::DURABILITY_OS, v1::DURABILITY_DISK);
  HeldDisk disk;
  KeyValueFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  REQUIRE(f.set("safe", "v").ok());
  disk.hold(true);
  REQUIRE(f.EngineFixture::set("k", "v", kNoExpiry, Level::kMemory).ok());
  PipelineStream stream(*f.stub);
  Message m(1);
  m.get("k").get("safe").atomic().request.mutable_options()->set_durability(asked);
  REQUIRE(stream.send(m.request));
  // Answered behind it, and sent before it.
  CHECK(stream.call(Message(2).get("safe").request).id() == 2);
  const bool fails = GENERATE(false, true);
  if (fails) disk.fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
  disk.hold(false);
  const auto late = stream.receive();
  REQUIRE(late);
  CHECK(late->id() == 1);
  REQUIRE(late->results_size() == 2);
  for (const v1::OperationResult& result : late->results()) {
    CHECK(result.has_get() == !fails);
    if (fails) CHECK(result.error().reason() == "NOT_DURABLE");
  }
}
