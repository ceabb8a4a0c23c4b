// Pipeline of kvstore.v1 through the generated stubs.
#include <map>
#include <random>
#include <set>
#include <thread>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "server/pipeline_call.h"
#include "server/pipeline_message.h"
#include "tests/server/held_disk.h"
#include "tests/server/pipeline_fixture.h"

using namespace kv;
using grpc::StatusCode;

TEST_CASE("pipeline: results come in the order of the operations, each with what its call would answer") {
  KeyValueFixture f;
  PipelineStream stream(*f.stub);
  Message m(7);
  m.set("a", "1").set("b", "2").get("a").increment("b", 5).append("c", "xyz").remove("a").get("a").get("none");
  const v1::PipelineResponse r = stream.call(m.request);
  CHECK(r.id() == 7);
  REQUIRE(r.results_size() == 8);
  CHECK(r.results(0).set().applied());
  CHECK(r.results(2).get().entry().value() == "1");
  CHECK(r.results(2).get().entry().version() == r.results(0).set().write().revision());
  CHECK(r.results(3).increment().value() == 7);
  CHECK(r.results(4).append().length() == 3);
  CHECK(r.results(5).delete_().deleted());
  CHECK_FALSE(r.results(6).get().has_entry());
  CHECK_FALSE(r.results(7).get().has_entry());
  CHECK(r.write().revision() == 5);
  CHECK(r.write().durability() == v1::DURABILITY_MEMORY);
  CHECK(f.journal.applied() == 5);
  stream.done();
  CHECK_FALSE(stream.receive());
  CHECK(stream.finish().ok());
}

TEST_CASE("pipeline: operations on one key take effect in the order sent, within a message and across messages") {
  KeyValueFixture f(FsyncPolicy::kNever);
  PipelineStream stream(*f.stub);
  std::mt19937 random(1);
  std::map<std::string, std::string> model;
  std::map<std::uint64_t, std::vector<std::string>> expected;
  constexpr int kMessages = 200;
  std::thread sender([&] {
    for (std::uint64_t id = 1; id <= kMessages; ++id) {
      Message m(id);
      for (int i = 0; i < 50; ++i) {
        const std::string key = "k" + std::to_string(random() % 20);
        if (random() % 2 == 0) {
          m.append(key, std::to_string(random() % 10));
          model[key] += m.last().append().suffix();
          expected[id].push_back("#" + std::to_string(model[key].size()));
        } else {
          m.get(key);
          expected[id].push_back(model[key]);
        }
      }
      if (!stream.send(m.request)) break;
    }
    stream.done();
  });
  int answers = 0;
  std::map<std::uint64_t, v1::PipelineResponse> received;
  while (auto r = stream.receive()) {
    ++answers;
    const std::uint64_t id = r->id();
    received[id] = *std::move(r);
  }
  sender.join();
  CHECK(stream.finish().ok());
  REQUIRE(answers == kMessages);
  int wrong = 0;
  for (const auto& [id, response] : received) {
    REQUIRE(response.results_size() == 50);
    for (int i = 0; i < 50; ++i) {
      const v1::OperationResult& result = response.results(i);
      const std::string got =
          result.has_get() ? result.get().entry().value() : "#" + std::to_string(result.append().length());
      wrong += got == expected[id][static_cast<std::size_t>(i)] ? 0 : 1;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("pipeline: what is wrong with one operation is in its result, and the others are carried out") {
  KeyValueFixture f;
  PipelineStream stream(*f.stub);
  Message m(1);
  m.set("text", "x").increment("text", 1).set("", "v").set("k", "v");
  m.request.add_operations();  // of no kind
  m.set("e", "v").last().mutable_set()->mutable_expiry();
  m.set("d", "v").last().mutable_set()->mutable_options()->set_durability(v1::DURABILITY_DISK);
  m.get("k");
  const v1::PipelineResponse r = stream.call(m.request);
  REQUIRE(r.results_size() == 8);
  const auto check_error = [&](int result, StatusCode code, const std::string& reason) {
    CHECK(r.results(result).error().code() == code);
    CHECK(r.results(result).error().reason() == reason);
    CHECK_THAT(r.results(result).error().message(), Catch::Matchers::StartsWith(reason + ": "));
  };
  check_error(1, StatusCode::FAILED_PRECONDITION, "NOT_AN_INTEGER");
  check_error(2, StatusCode::INVALID_ARGUMENT, "EMPTY_KEY");
  CHECK(r.results(3).set().applied());
  check_error(4, StatusCode::INVALID_ARGUMENT, "FIELD_INVALID");
  check_error(5, StatusCode::INVALID_ARGUMENT, "FIELD_INVALID");
  CHECK_THAT(r.results(5).error().message(), Catch::Matchers::Contains("operations[5].set"));
  check_error(6, StatusCode::FAILED_PRECONDITION, "DURABILITY_UNAVAILABLE");
  CHECK(r.results(7).get().entry().value() == "v");
  CHECK(f.journal.applied() == 2);
}

TEST_CASE("pipeline: what is wrong with a message ends the stream, after the answers before it") {
  KeyValueFixture f;
  const auto ends_with = [&](const v1::PipelineRequest& bad, StatusCode code, const std::string& reason) {
    PipelineStream stream(*f.stub);
    REQUIRE(stream.send(Message(1).get("k").request));
    REQUIRE(stream.send(bad));
    const auto answer = stream.receive();
    REQUIRE(answer);
    CHECK(answer->id() == 1);
    CHECK_FALSE(stream.receive());
    check_refused(stream.finish(), code, reason);
  };
  Message bad(2);
  bad.request.mutable_options()->set_durability(static_cast<v1::Durability>(9));
  ends_with(bad.request, StatusCode::INVALID_ARGUMENT, "FIELD_INVALID");
  bad = Message(2);
  bad.request.mutable_options()->set_request_id("0123456789abcdef");
  ends_with(bad.request, StatusCode::INVALID_ARGUMENT, "FIELD_INVALID");
  bad = Message(2);
  bad.set("k", "v").atomic().last().mutable_set()->mutable_options();
  ends_with(bad.request, StatusCode::INVALID_ARGUMENT, "FIELD_INVALID");
  bad = Message(2);
  for (std::size_t i = 0; i <= kPipelineOperationsMax; ++i) bad.get("k");
  ends_with(bad.request, StatusCode::INVALID_ARGUMENT, "TOO_MANY_OPERATIONS");
  bad = Message(2).atomic();
  for (std::size_t i = 0; i <= kTransactionOperationsMax; ++i) bad.get("k");
  ends_with(bad.request, StatusCode::INVALID_ARGUMENT, "TOO_MANY_OPERATIONS");
  CHECK(f.journal.applied() == 0);
}

TEST_CASE("pipeline: an atomic message is one revision and one record, and all its operations have one fate") {
  KeyValueFixture f(FsyncPolicy::kAlways);
  PipelineStream stream(*f.stub);
  const v1::PipelineResponse good = stream.call(Message(1).set("a", "1").set("b", "2").get("a").atomic().request);
  CHECK(good.id() == 1);
  REQUIRE(good.results_size() == 3);
  CHECK(good.results(0).set().write().revision() == 1);
  CHECK(good.results(1).set().write().revision() == 1);
  CHECK(good.results(2).get().entry().value() == "1");
  CHECK(good.write().revision() == 1);
  CHECK(good.write().durability() == v1::DURABILITY_DISK);
  const v1::PipelineResponse bad =
      stream.call(Message(2).set("a", "x").increment("a", 1).set("b", "3").atomic().request);
  REQUIRE(bad.results_size() == 3);
  for (const v1::OperationResult& result : bad.results()) {
    CHECK(result.error().reason() == "NOT_AN_INTEGER");
    CHECK_THAT(result.error().message(), Catch::Matchers::Contains("operations[1].increment"));
  }
  CHECK(bad.write().revision() == 0);
  CHECK(f.value("a") == "1");
  CHECK(f.journal.applied() == 1);
}

TEST_CASE("pipeline: results that do not fit any more are refused, and their operations not applied") {
  KeyValueFixture f;
  REQUIRE(f.set("large", std::string(3 << 20, 'v')).ok());
  PipelineStream stream(*f.stub);
  Message m(1);
  m.get("large").get("large").set("k", "v");
  m.set("large", "new").last().mutable_set()->set_return_previous(true);
  const v1::PipelineResponse r = stream.call(m.request);
  int large = 0;
  for (const int i : {0, 1, 3}) {
    large += r.results(i).has_error() ? 0 : 1;
    if (r.results(i).has_error()) CHECK(r.results(i).error().reason() == "RESPONSE_TOO_LARGE");
  }
  CHECK(large == 1);
  CHECK(r.results(2).set().applied());
  CHECK(r.results(3).has_error());
  CHECK(f.value("large")->size() == 3 << 20);
}

TEST_CASE("pipeline: under fsync ALWAYS a message waits once for all it shows, and does not hold up the next") {
  HeldDisk disk;
  KeyValueFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  REQUIRE(f.set("safe", "v").ok());
  PipelineStream stream(*f.stub);
  disk.hold(true);
  REQUIRE(stream.send(Message(1).set("k", "v").request));
  REQUIRE(stream.send(Message(2).get("safe").request));
  const auto early = stream.receive();
  REQUIRE(early);
  CHECK(early->id() == 2);
  disk.hold(false);
  const auto late = stream.receive();
  REQUIRE(late);
  CHECK(late->id() == 1);
  CHECK(f.journal.durable() >= late->write().revision());
}

TEST_CASE("pipeline: answers that are there at the same moment all come, the first ones of their stream too") {
  constexpr std::uint64_t kMessages = 20;
  HeldDisk disk;
  KeyValueFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  PipelineStream stream(*f.stub);
  for (const int round : {0, 1}) {
    disk.hold(true);
    const Revision before = f.journal.applied();
    for (std::uint64_t id = 1; id <= kMessages; ++id) REQUIRE(stream.send(Message(id).set("k", "v").request));
    while (f.journal.applied() < before + kMessages) std::this_thread::yield();
    disk.hold(false);
    std::set<std::uint64_t> answered;
    while (answered.size() < kMessages) {
      INFO("round " << round << ", " << answered.size() << " answers");
      const auto answer = stream.receive();
      REQUIRE(answer);
      CHECK(answered.insert(answer->id()).second);
    }
  }
}

TEST_CASE("pipeline: when the disk fails only those results are replaced that would show too much") {
  HeldDisk disk;
  KeyValueFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  REQUIRE(f.set("safe", "v").ok());
  REQUIRE(f.set("gone", "v").ok());
  PipelineStream stream(*f.stub);
  disk.hold(true);
  Message m(9);
  m.set("k", "v").get("k").get("safe").remove("gone").get("gone");
  m.set("quick", "v").last().mutable_set()->mutable_options()->set_durability(v1::DURABILITY_MEMORY);
  REQUIRE(stream.send(m.request));
  while (f.journal.applied() < 5) std::this_thread::yield();
  disk.fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
  disk.hold(false);
  const auto r = stream.receive();
  REQUIRE(r);
  CHECK(r->id() == 9);
  REQUIRE(r->results_size() == 6);
  CHECK(r->results(0).error().reason() == "OUTCOME_UNKNOWN");
  CHECK(r->results(1).error().reason() == "NOT_DURABLE");
  CHECK(r->results(2).get().entry().value() == "v");
  CHECK(r->results(3).error().reason() == "OUTCOME_UNKNOWN");
  CHECK(r->results(4).error().reason() == "NOT_DURABLE");
  CHECK(r->results(5).set().applied());
  CHECK(r->write().durability() == v1::DURABILITY_MEMORY);  // as of what is still there
  CHECK(r->write().revision() == r->results(5).set().write().revision());
  const v1::PipelineResponse after = stream.call(Message(10).set("k", "v").get("safe").request);
  CHECK(after.results(0).error().reason() == "WRITES_SUSPENDED");
  CHECK(after.results(1).get().entry().value() == "v");
}

TEST_CASE("pipeline: an atomic message waits for its disk alone, and has one fate when that fails") {
  HeldDisk disk;
  KeyValueFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  REQUIRE(f.set("safe", "v").ok());
  PipelineStream stream(*f.stub);
  struct Release {
    HeldDisk& disk;
    ~Release() { disk.hold(false); }
  } release{disk};  // also where a check fails: else nothing of it could end
  disk.hold(true);
  REQUIRE(stream.send(Message(1).set("a", "text").set("b", "v").get("safe").atomic().request));
  REQUIRE(stream.send(Message(2).get("a").atomic().request));
  REQUIRE(stream.send(Message(3).set("c", "v").increment("a", 1).atomic().request));
  REQUIRE(stream.send(Message(4).get("safe").atomic().request));
  // The last one shows nothing that is not on disk.
  const auto first = stream.receive();
  REQUIRE(first);
  CHECK(first->id() == 4);
  CHECK(first->results(0).get().entry().value() == "v");
  const bool fails = GENERATE(false, true);
  CAPTURE(fails);
  if (fails) disk.fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
  disk.hold(false);
  std::map<std::uint64_t, v1::PipelineResponse> answers;
  while (answers.size() < 3) {
    const auto answer = stream.receive();
    REQUIRE(answer);
    answers[answer->id()] = *answer;
  }
  REQUIRE(answers[1].results_size() == 3);
  CHECK(answers[1].has_write() == !fails);
  REQUIRE(answers[2].results_size() == 1);
  REQUIRE(answers[3].results_size() == 2);
  for (const auto& result : answers[1].results()) CHECK(result.error().reason() == (fails ? "OUTCOME_UNKNOWN" : ""));
  for (const auto& result : answers[2].results()) CHECK(result.error().reason() == (fails ? "NOT_DURABLE" : ""));
  for (const auto& result : answers[3].results())
    CHECK(result.error().reason() == (fails ? "NOT_DURABLE" : "NOT_AN_INTEGER"));
  if (fails) return;
  CHECK(answers[1].write().durability() == v1::DURABILITY_DISK);
  CHECK(answers[1].results(2).get().entry().value() == "v");
  CHECK(answers[2].results(0).get().entry().value() == "text");
}

TEST_CASE("pipeline: a message is told apart from other bytes as the library does it") {
  KeyValueFixture f;
  PipelineMessage message(f.engine);
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  Message m(300);
  m.set("a", "1").get("b").increment("c", -7).append("d", "x").remove("e").atomic();
  m.request.mutable_options()->set_durability(v1::DURABILITY_MEMORY);
  const std::string whole = m.request.SerializeAsString();
  int parsed = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = whole;
    for (unsigned changes = random() % 4; changes > 0; --changes) {
      const std::size_t at = random() % bytes.size();
      if (random() % 2 == 0) {
        bytes[at] = static_cast<char>(random());
      } else {
        bytes.erase(at, 1);
      }
    }
    v1::PipelineRequest request;
    const bool parses = request.ParseFromString(bytes);
    const absl::Status read = message.read(bytes);
    CAPTURE(bytes, read.ToString());
    REQUIRE(has_reason(read, Reason::kMessageInvalid) == !parses);
    parsed += parses ? 1 : 0;
  }
  CHECK(parsed > 1000);
  CHECK(parsed < 19'000);
}

TEST_CASE("pipeline: the room that a large answer needed is given back with it, not kept by an idle stream") {
  KeyValueFixture f;
  REQUIRE(f.set("k", std::string(200, 'v')).ok());
  PipelineMessage message(f.engine);
  Message m(1);
  for (int i = 0; i < 800; ++i) m.get("k");
  const std::string bytes = m.request.SerializeAsString();
  REQUIRE(message.read(bytes).ok());
  REQUIRE(run_task(message.run(f.caller)).ok());
  CHECK(message.room_bytes() > (150 << 10));
  CHECK(message.answer().message.bytes().size() > (150 << 10));
  CHECK(message.room_bytes() <= (64 << 10) + (4 << 10));
}
