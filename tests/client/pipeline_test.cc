// The pipeline of the library: with a real server behind connections that break, and with one that misbehaves.
#include "client/pipeline.h"

#include <cstdlib>
#include <future>
#include <thread>

#include <catch2/catch.hpp>

#include "client/client.h"
#include "core/absl_text.h"
#include "core/error.h"
#include "tests/client/cutting_proxy.h"
#include "tests/client/fake_server.h"
#include "tests/client/pipeline_results.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using namespace std::chrono_literals;
namespace v1 = kvstore::v1;

namespace {

v1::Operation one_more() {
  v1::Operation operation;
  operation.mutable_increment()->set_key("counter");
  operation.mutable_increment()->set_delta(1);
  return operation;
}

v1::Operation append_of(const std::string& key, const std::string& suffix) {
  v1::Operation operation;
  operation.mutable_append()->set_key(key);
  operation.mutable_append()->set_suffix(suffix);
  return operation;
}

CallOptions patient() { return {.timeout = 60s, .retry = {.attempts = 4, .delay = 1ms, .delay_max = 4ms}}; }

struct LossyFixture {
  TempDirectory directory;
  RunningServer server{{directory.file("data"), {"--mode", "aof", "--fsync", "never"}, {}, {}}};
  CuttingProxy proxy{server.address()};
};

Task<std::int64_t> count_up(Pipeline& pipeline, int times) {
  std::int64_t last = 0;
  for (int i = 0; i < times; ++i) {
    const auto counted = co_await pipeline.call(one_more());
    if (!counted.ok()) co_return -1;
    last = counted->increment().value();
  }
  co_return last;
}

}  // namespace

TEST_CASE("pipeline: operations share messages, and each callback gets its own answer, in the order of submission") {
  FakeServer server;
  server.v1.holds_messages = true;
  Client client(options_for(server));
  Pipeline pipeline(client);
  Results results;
  constexpr int kCount = 1000;
  for (int i = 0; i < kCount; ++i) {
    const std::string key = "k" + std::to_string(i);
    pipeline.submit(i % 2 == 0 ? set_of(key, "v") : get_of("k" + std::to_string(i - 1)), results.next());
  }
  server.v1.holds_messages = false;
  pipeline.drain();
  const auto all = results.take(kCount);
  REQUIRE(all.size() == kCount);
  for (int i = 0; i < kCount; ++i) {
    REQUIRE(all[i].ok());
    CHECK((i % 2 == 0 ? all[i]->set().applied() : all[i]->get().entry().value() == "v"));
  }
  const std::vector<int> sizes = server.v1.message_sizes();
  int sum = 0;
  for (const int size : sizes) {
    CHECK(size <= 128);
    sum += size;
  }
  CHECK(sum == kCount);
  CHECK(sizes.size() <= 2 + kCount / 128 + 1);  // Two that did not wait, full ones, and the rest.
}

TEST_CASE("pipeline: an error of one operation is its own") {
  const TempDirectory directory;
  RunningServer server({directory.file("data"), {"--mode", "NON_PERSISTENT"}, {}, {}});
  Client client({.target = server.address()});
  Pipeline pipeline(client);
  Results results;
  v1::Operation count_text = one_more();
  count_text.mutable_increment()->set_key("text");
  pipeline.submit(set_of("text", "no number"), results.next());
  pipeline.submit(count_text, results.next());
  pipeline.submit(set_of("", "v"), results.next());
  pipeline.submit(v1::Operation(), results.next());
  pipeline.submit(get_of("text"), results.next());
  pipeline.submit(get_of("nothing"), results.next());
  const auto all = results.take(6);
  CHECK(all[0]->set().applied());
  CHECK(has_reason(all[1].status(), Reason::kNotAnInteger));
  CHECK(has_reason(all[2].status(), Reason::kEmptyKey));
  CHECK(absl::IsInvalidArgument(all[3].status()));
  CHECK(all[4]->get().entry().value() == "no number");
  CHECK_FALSE(all[5]->get().has_entry());
}

TEST_CASE("pipeline: a read that found no room is asked again, and may show what was submitted behind it, never less") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--mode", "NON_PERSISTENT"}, {}, {}});
  Client client({.target = server.address(), .answer_bytes_max = 64 << 20});
  const std::string large(std::size_t{2} << 20, 'v');
  for (const char* key : {"a", "b", "c"}) REQUIRE(wait(client.set(key, large)).ok());
  Pipeline pipeline(client);
  Results results;
  // From a callback, so that they share a message: what sends it waits for the callback.
  pipeline.submit(get_of("none"), [&](const Pipeline::Result&) {
    for (const char* key : {"a", "b", "c"}) {
      Pipeline::Callback done = results.next();
      REQUIRE(pipeline.try_submit(get_of(key), done));
    }
    Pipeline::Callback done = results.next();
    REQUIRE(pipeline.try_submit(set_of("c", "x"), done));
  });
  const auto all = results.take(4);
  for (const auto& result : all) REQUIRE(result.ok());
  CHECK(all[0]->get().entry().value() == large);
  CHECK(all[1]->get().entry().value() == large);
  CHECK(all[2]->get().entry().value() == "x");
  CHECK(all[2]->get().entry().version() == all[3]->set().write().revision());
}

TEST_CASE("pipeline: over streams that are cut each increment counts once, and a key's operations keep their order") {
  LossyFixture f;
  Client client({.target = f.proxy.target()});
  Pipeline pipeline(client, {.call = patient(), .resend_for = 30s, .message_operations_max = 8});
  Results results;
  std::string written;
  constexpr int kRounds = 12;
  constexpr int kEach = 400;
  for (int round = 0; round < kRounds; ++round) {
    const bool cuts = round % 2 == 1;  // A client whose streams break too often stops trying.
    if (cuts) f.proxy.cut_at_data(1);  // the first: many answers may come in one piece
    for (int i = 0; i < kEach; ++i) {
      const std::string letter(1, static_cast<char>('a' + i % 26));
      written += letter;
      pipeline.submit(one_more(), results.next());
      pipeline.submit(append_of("text", letter), results.next());
    }
    pipeline.drain();
    CHECK_FALSE(f.proxy.armed());
  }
  CHECK(f.proxy.cuts() == kRounds / 2);
  const auto all = results.take(2 * kRounds * kEach);
  bool replayed = false;
  for (std::size_t i = 0; i < all.size(); i += 2) {
    REQUIRE(all[i].ok());
    REQUIRE(all[i]->increment().value() == static_cast<std::int64_t>(i / 2 + 1));
    REQUIRE(all[i + 1]->append().length() == i / 2 + 1);
    replayed = replayed || all[i]->increment().write().replayed();
  }
  CHECK(replayed);  // Some were done by a stream whose answer was lost.
  CHECK(wait(client.get("text"))->entry().value() == written);
}

TEST_CASE("pipeline: what is under way goes on over a kill and a restart of the server, each increment once") {
  LossyFixture f;
  Client client({.target = f.proxy.target()});
  Pipeline pipeline(
      client, {.call = {.timeout = 60s, .retry = {.attempts = 5, .delay = 2s, .delay_max = 2s}}, .resend_for = 60s});
  Results results;
  constexpr int kBefore = 5000;
  constexpr int kAll = 10000;
  for (int i = 0; i < kBefore; ++i) pipeline.submit(one_more(), results.next());
  f.server.kill();
  std::thread starting([&] {
    f.server.start();
    f.proxy.lead_to(f.server.address());
  });
  for (int i = kBefore; i < kAll; ++i) pipeline.submit(one_more(), results.next());
  pipeline.drain();
  starting.join();
  const auto all = results.take(kAll);
  for (int i = 0; i < kAll; ++i) {
    INFO(all[i].status());
    REQUIRE(all[i].ok());
    REQUIRE(all[i]->increment().value() == i + 1);
  }
}

TEST_CASE("pipeline: a write that was done and lost its answer is not sent again later than its bound") {
  LossyFixture f;
  Client client({.target = f.proxy.target()});
  // The delay before the next stream is longer than the bound.
  Pipeline pipeline(client, {.call = {.timeout = 30s, .retry = {.attempts = 4, .delay = 100ms, .delay_max = 100ms}},
                             .resend_for = 10ms});
  REQUIRE(wait(pipeline.call(get_of("warm up"))).ok());
  Results results;
  f.proxy.cut_at_data(1);
  pipeline.submit(one_more(), results.next());
  pipeline.submit(get_of("counter"), results.next());  // Goes out again, and shows that the stream after it stands.
  const auto all = results.take(2);
  CHECK(f.proxy.cuts() == 1);
  CHECK(absl::IsUnavailable(all[0].status()));
  CHECK(outcome_unknown(all[0].status()));
  REQUIRE(all[1].ok());
  CHECK(all[1]->get().entry().value() == "1");
  CHECK(wait(pipeline.call(one_more()))->increment().value() == 2);
}

TEST_CASE("pipeline: without ids a write whose answer is lost is not sent again, and says what that means") {
  LossyFixture f;
  Client client({.target = f.proxy.target(), .request_ids = false});
  Pipeline pipeline(client, {.call = patient()});
  REQUIRE(wait(pipeline.call(get_of("warm up"))).ok());
  Results results;
  f.proxy.cut_at_data(1);
  const auto counted = wait(pipeline.call(one_more()));
  CHECK(absl::IsUnavailable(counted.status()));
  CHECK(outcome_unknown(counted.status()));
  CHECK(wait(pipeline.call(get_of("counter")))->get().entry().value() == "1");
  f.proxy.cut_at_data(1);
  CHECK(wait(pipeline.call(get_of("counter")))->get().entry().value() == "1");
  CHECK_FALSE(f.proxy.armed());
}

TEST_CASE("pipeline: a server that does not answer costs each operation its timeout, and not the pipeline") {
  FakeServer server;
  Client client(options_for(server));
  Pipeline pipeline(client, {.call = {.timeout = 1s}});
  server.v1.deaf = true;
  Results results;
  pipeline.submit(set_of("k", "v"), results.next());
  pipeline.submit(get_of("k"), results.next());
  const auto late = results.take(2);
  CHECK(absl::IsDeadlineExceeded(late[0].status()));
  CHECK(message_of(late[0].status()) == "no answer within 1s; whether the write took effect is not known");
  CHECK(outcome_unknown(late[0].status()));
  CHECK(absl::IsDeadlineExceeded(late[1].status()));
  CHECK_FALSE(outcome_unknown(late[1].status()));
  server.v1.deaf = false;
  // Over another stream: the old one is deaf for good.
  const Pipeline::Result result = wait(pipeline.call(set_of("k", "w")));
  CAPTURE(result.status().ToString());
  CHECK(result.ok());
}

TEST_CASE("pipeline: a server that is not there is told as such, without a doubt") {
  FakeServer server;
  server.stop();
  Client client(options_for(server));
  Pipeline pipeline(client, {.call = patient()});
  const Pipeline::Result away = wait(pipeline.call(set_of("k", "v")));
  CHECK(absl::IsUnavailable(away.status()));
  CHECK(message_of(away.status()).starts_with("cannot reach 127.0.0.1:"));
  CHECK_FALSE(outcome_unknown(away.status()));
  server.start();
  CHECK(wait(pipeline.call(set_of("k", "v"))).ok());
}

TEST_CASE("pipeline: a server without the call, or one that answers nonsense, is an error and not a wait") {
  FakeServer server;
  Client client(options_for(server));
  Pipeline pipeline(client, {.call = patient()});
  server.v1.absent = true;
  const Pipeline::Result absent = wait(pipeline.call(set_of("k", "v")));
  CHECK(absl::IsUnimplemented(absent.status()));
  CHECK_FALSE(outcome_unknown(absent.status()));
  server.v1.absent = false;
  server.v1.spoils = [](v1::PipelineResponse& response) { response.set_id(response.id() + 1); };
  const Pipeline::Result nonsense = wait(pipeline.call(set_of("k", "v")));
  CHECK(absl::IsInternal(nonsense.status()));
  CHECK(outcome_unknown(nonsense.status()));
}

TEST_CASE("pipeline: writes carry ids and the level that was asked for, and keep what they say themselves") {
  FakeServer server;
  Client client(options_for(server));
  Pipeline pipeline(client, {.call = {.durability = v1::DURABILITY_OS}});
  server.v1.lost_answers = 1;
  REQUIRE(wait(pipeline.call(set_of("k", "v"))).ok());
  CHECK(server.v1.request_ids().size() == 1);
  CHECK(server.v1.last_options().durability() == v1::DURABILITY_OS);
  v1::Operation own = set_of("k", "v");
  own.mutable_set()->mutable_options()->set_request_id("chosen by caller");
  own.mutable_set()->mutable_options()->set_durability(v1::DURABILITY_MEMORY);
  REQUIRE(wait(pipeline.call(own)).ok());
  CHECK(server.v1.request_ids().count("chosen by caller") == 1);
  CHECK(server.v1.last_options().durability() == v1::DURABILITY_MEMORY);
}

TEST_CASE("pipeline: where there is no room try_submit says so, submit and call wait") {
  FakeServer server;
  server.v1.holds_messages = true;
  Client client(options_for(server));
  Pipeline pipeline(client, {.call = patient(), .operations_in_flight_max = 4});
  Results results;
  for (int i = 0; i < 4; ++i) pipeline.submit(set_of("k", "v"), results.next());
  bool kept = false;
  Pipeline::Callback done = [&](const Pipeline::Result&) { kept = true; };
  CHECK_FALSE(pipeline.try_submit(set_of("full", "v"), done));
  done(absl::UnknownError("still ours"));
  CHECK(kept);
  std::atomic<bool> let_in{false};
  std::thread blocked([&] {
    pipeline.submit(set_of("blocked", "v"), results.next());
    let_in = true;
  });
  std::vector<std::promise<bool>> called(20);
  for (auto& each : called) {
    start(pipeline.call(set_of("called", "v")), [&](const Pipeline::Result& result) { each.set_value(result.ok()); });
  }
  CHECK_FALSE(let_in);
  CHECK(results.size() == 0);
  server.v1.holds_messages = false;
  for (auto& each : called) CHECK(each.get_future().get());
  blocked.join();
  pipeline.drain();
  CHECK(results.size() == 5);
  CHECK(server.data().count("full") == 0);
}

// A call that waits for bytes must not be woken by what ends nothing: it would keep the thread that sends and receives.
TEST_CASE("pipeline: calls that find no room for their bytes wait until there is some") {
  FakeServer server;
  Client client(options_for(server));
  Pipeline pipeline(client, {.call = patient(), .bytes_in_flight_max = 1000});
  std::vector<std::promise<bool>> called(20);
  for (auto& each : called) {
    start(pipeline.call(set_of("k", std::string(600, 'v'))),
          [&](const Pipeline::Result& result) { each.set_value(result.ok()); });
  }
  for (auto& each : called) {
    auto answered = each.get_future();
    const bool in_time = answered.wait_for(std::chrono::seconds(30)) == std::future_status::ready;
    CHECK(in_time);
    if (!in_time) std::abort();  // The end of the pipeline would wait for it, too.
    CHECK(answered.get());
  }
}

TEST_CASE("pipeline: coroutines and callbacks go on with the next operation") {
  const TempDirectory directory;
  RunningServer server({directory.file("data"), {"--mode", "NON_PERSISTENT"}, {}, {}});
  Client client({.target = server.address()});
  Pipeline pipeline(client, {.operations_in_flight_max = 16});
  std::vector<std::promise<std::int64_t>> ends(64);
  for (auto& end : ends) start(count_up(pipeline, 50), [&](std::int64_t last) { end.set_value(last); });
  std::int64_t most = 0;
  for (auto& end : ends) most = std::max(most, end.get_future().get());
  CHECK(most == 64 * 50);
  std::atomic<int> left{1000};
  std::function<void(Pipeline::Result)> go_on = [&](const Pipeline::Result&) {
    Pipeline::Callback next = go_on;
    if (--left > 0) CHECK(pipeline.try_submit(one_more(), next));
  };
  pipeline.submit(one_more(), go_on);
  pipeline.drain();
  CHECK(left == 0);
  CHECK(wait(client.get("counter"))->entry().value() == std::to_string(64 * 50 + 1000));
}
