// The client library by itself: three ways to call, attempts, connections, bounds, and its end.
#include <future>
#include <thread>

#include <catch2/catch.hpp>

#include "client/client.h"
#include "core/error.h"
#include "tests/client/fake_server.h"

using namespace kv;
using namespace std::chrono_literals;

namespace {

using Got = absl::StatusOr<kvstore::GetResponse>;

kvstore::GetRequest get_of(const std::string& key) {
  kvstore::GetRequest request;
  request.set_key(key);
  return request;
}

kvstore::SetRequest set_of(const std::string& key, const std::string& value) {
  kvstore::SetRequest request;
  request.set_key(key);
  request.set_value(value);
  return request;
}

// Without the question about limits: for the cases that count calls or measure.
ClientOptions options_for(const FakeServer& server, int connections = 1) {
  return {.target = server.target(), .connections = connections, .answer_bytes_max = 64 << 20};
}

CallOptions patient(int attempts) {
  return {.timeout = 30s, .retry = {.attempts = attempts, .delay = 1ms, .delay_max = 4ms}};
}

Task<std::string> copy_and_read(Client& client, std::string from, std::string to) {
  const Got first = co_await client.call(methods::kOldGet, get_of(from));
  if (!first.ok()) co_return "no first";
  const auto stored = co_await client.call(methods::kOldSet, set_of(to, first->value()));
  if (!stored.ok()) co_return "not stored";
  const Got second = co_await client.call(methods::kOldGet, get_of(to));
  co_return second.ok() ? second->value() : "no second";
}

}  // namespace

TEST_CASE("library: a call is waited for, awaited in a coroutine, or given a callback") {
  FakeServer server;
  Client client({.target = server.target()});
  REQUIRE(wait(client.call(methods::kOldSet, set_of("k", "v"))).ok());
  CHECK(wait(client.call(methods::kOldGet, get_of("k")))->value() == "v");
  CHECK(wait(copy_and_read(client, "k", "copy")) == "v");
  std::promise<std::string> called;
  start(client.call(methods::kOldGet, get_of("copy")), [&](const Got& got) { called.set_value(got->value()); });
  CHECK(called.get_future().get() == "v");
}

TEST_CASE("library: many calls are under way at once, over as many connections as asked for") {
  FakeServer server;
  {
    ClientOptions options = options_for(server, 4);
    options.threads = 2;
    Client client(options);
    std::atomic<int> good{0};
    std::promise<void> last;
    constexpr int kCalls = 400;
    for (int i = 0; i < kCalls; ++i) {
      const std::string key = "k" + std::to_string(i);
      start(client.call(methods::kOldSet, set_of(key, key), patient(1)), [&](const auto& stored) {
        REQUIRE(stored.ok());
        if (++good == kCalls) last.set_value();
      });
    }
    last.get_future().get();
  }
  CHECK(server.data().size() == 400);
  CHECK(server.peers().size() == 4);
}

TEST_CASE("library: a read is asked again after UNAVAILABLE, a write without an id is not") {
  FakeServer server;
  server.failures = 3;
  CHECK(wait(Client(options_for(server)).call(methods::kOldGet, get_of("k"), patient(4))).ok());
  CHECK(server.calls() == 4);
  server.failures = 4;
  Client client(options_for(server));
  const Got refused = wait(client.call(methods::kOldGet, get_of("k"), patient(4)));
  CHECK(absl::IsUnavailable(refused.status()));
  CHECK(server.calls() == 8);
  server.failures = 1;
  const auto stored = wait(client.call(methods::kOldSet, set_of("k", "v"), patient(4)));
  CHECK(absl::IsUnavailable(stored.status()));
  CHECK(outcome_unknown(stored.status()));
  CHECK(server.calls() == 9);
}

TEST_CASE("library: a write with an id is repeated with the same one, and every write has its own") {
  FakeServer server;
  ClientOptions options = options_for(server);
  options.request_ids = true;
  Client client(options);
  server.v1.lost_answers = 2;
  const auto stored = wait(client.set("k", "v", patient(4)));
  REQUIRE(stored.ok());
  CHECK(server.calls() == 3);
  REQUIRE(server.v1.request_ids().size() == 1);
  CHECK(server.v1.request_ids().begin()->size() == 16);
  REQUIRE(wait(client.remove("k")).ok());
  CHECK(server.v1.request_ids().size() == 2);
  kvstore::v1::SetRequest request;
  request.set_key("k");
  request.mutable_options()->set_request_id("chosen by caller");
  REQUIRE(wait(client.call(methods::kSet, request)).ok());
  CHECK(server.v1.request_ids().count("chosen by caller") == 1);
}

TEST_CASE("library: a doubt of the first attempt outlives what the later ones are told") {
  FakeServer server;
  ClientOptions options = options_for(server);
  options.request_ids = true;
  Client client(options);
  server.v1.lost_answers = 1;
  std::promise<absl::Status> end;
  CallOptions call = patient(2);
  call.retry.delay = call.retry.delay_max = 300ms;
  start(client.set("k", "v", call), [&](const auto& stored) { end.set_value(stored.status()); });
  while (server.v1.lost_answers > 0) std::this_thread::yield();
  server.stop();  // The second attempt reaches nobody: that one had surely no effect.
  const absl::Status status = end.get_future().get();
  CHECK(absl::IsUnavailable(status));
  CHECK(outcome_unknown(status));
}

TEST_CASE("library: a refusal that is the server's last word is not asked again") {
  FakeServer server;
  Client client(options_for(server));
  server.answer = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "EMPTY_KEY: x");
  const Got refused = wait(client.call(methods::kOldGet, get_of(""), patient(4)));
  CHECK(has_reason(refused.status(), Reason::kEmptyKey));
  CHECK(server.calls() == 1);
}

TEST_CASE("library: a server that fails everything is not asked four times as much") {
  FakeServer server;
  Client client(options_for(server));
  server.failures = 1000;
  constexpr int kCalls = 100;
  for (int i = 0; i < kCalls; ++i) CHECK_FALSE(wait(client.call(methods::kOldGet, get_of("k"), patient(4))).ok());
  CHECK(server.calls() < kCalls + 10);
  server.failures = 0;
  for (int i = 0; i < 100; ++i) CHECK(wait(client.call(methods::kOldGet, get_of("k"), patient(4))).ok());
  server.failures = 1;
  CHECK(wait(client.call(methods::kOldGet, get_of("k"), patient(4))).ok());  // Its trust is back.
}

TEST_CASE("library: a read outlives a restart of the server") {
  FakeServer server;
  Client client(options_for(server));
  REQUIRE(wait(client.call(methods::kOldSet, set_of("k", "v"))).ok());
  server.stop();
  std::promise<Got> got;
  // More attempts than the throttle lets through would be a matter of luck: it lets four through.
  CallOptions options{.timeout = 30s, .retry = {.attempts = 4, .delay = 500ms}};
  start(client.call(methods::kOldGet, get_of("k"), options), [&](Got answer) { got.set_value(std::move(answer)); });
  server.start();
  const Got answer = got.get_future().get();
  CAPTURE(answer.status().ToString());
  REQUIRE(answer.ok());
  CHECK(answer->value() == "v");
}

TEST_CASE("library: only a write that may have been sent leaves a doubt") {
  FakeServer server;
  Client client(options_for(server));
  server.hangs = true;
  CallOptions hasty{.timeout = 100ms};
  const auto late = wait(client.call(methods::kOldSet, set_of("k", "v"), hasty));
  CHECK(absl::IsDeadlineExceeded(late.status()));
  CHECK(outcome_unknown(late.status()));
  CHECK_FALSE(outcome_unknown(wait(client.call(methods::kOldGet, get_of("k"), hasty)).status()));
  server.hangs = false;
  server.answer = grpc::Status(grpc::StatusCode::UNAVAILABLE, "LOADING: 3 %");
  CHECK_FALSE(outcome_unknown(wait(client.call(methods::kOldSet, set_of("k", "v"))).status()));
  server.answer = grpc::Status(grpc::StatusCode::UNKNOWN, "OUTCOME_UNKNOWN: x");
  CHECK(outcome_unknown(wait(client.call(methods::kOldSet, set_of("k", "v"))).status()));
  server.stop();
  const auto away = wait(client.call(methods::kOldSet, set_of("k", "v")));
  CHECK(absl::IsUnavailable(away.status()));
  CHECK_FALSE(outcome_unknown(away.status()));
}

TEST_CASE("library: the bound of an answer is the server's, asked for once by many calls") {
  FakeServer server;
  server.admin.config.mutable_config()->set_max_entry_bytes(30 << 20);
  Client client({.target = server.target()});
  const std::string large(28 << 20, 'x');
  REQUIRE(wait(client.call(methods::kOldSet, set_of("k", large))).ok());
  std::vector<std::promise<std::size_t>> sizes(8);
  for (auto& size : sizes) {
    start(client.call(methods::kOldGet, get_of("k")),
          [&size](const Got& got) { size.set_value(got.ok() ? got->value().size() : 0); });
  }
  for (auto& size : sizes) CHECK(size.get_future().get() == large.size());
  CHECK(server.admin.calls == 1);
}

TEST_CASE("library: limits that grew meanwhile are read again, and an answer above them is still refused") {
  FakeServer server;
  server.admin.config.mutable_config()->set_max_entry_bytes(1 << 20);
  Client client({.target = server.target()});
  REQUIRE(wait(client.call(methods::kOldSet, set_of("k", std::string(40 << 20, 'x')))).ok());
  const Got refused = wait(client.call(methods::kOldGet, get_of("k"), patient(4)));
  CHECK(absl::IsResourceExhausted(refused.status()));
  CHECK(server.admin.calls == 2);
  server.admin.config.mutable_config()->set_max_entry_bytes(50 << 20);
  const Got got = wait(client.call(methods::kOldGet, get_of("k"), patient(4)));
  CAPTURE(got.status().ToString());
  REQUIRE(got.ok());
  CHECK(got->value().size() == 40 << 20);
}

TEST_CASE("library: a server without the admin service, or one that keeps it to itself, is used all the same") {
  for (const auto code : {grpc::StatusCode::UNIMPLEMENTED, grpc::StatusCode::PERMISSION_DENIED}) {
    FakeServer server;
    server.admin.answer = grpc::Status(code, "no");
    Client client({.target = server.target()});
    REQUIRE(wait(client.call(methods::kOldSet, set_of("k", std::string(20 << 20, 'x')))).ok());
    CHECK(wait(client.call(methods::kOldGet, get_of("k")))->value().size() == 20 << 20);
    CHECK(server.admin.calls == 1);
  }
}

TEST_CASE("library: a stop gives up one call, the end of the client all of them") {
  FakeServer server;
  server.hangs = true;
  std::vector<absl::Status> ends;
  {
    Client client(options_for(server));
    std::stop_source stop;
    CallOptions options{.timeout = 1h, .stop = stop.get_token()};
    std::promise<absl::Status> stopped;
    start(client.call(methods::kOldGet, get_of("k"), options),
          [&](const Got& got) { stopped.set_value(got.status()); });
    while (server.calls() == 0) std::this_thread::yield();
    stop.request_stop();
    CHECK(reason_of(stopped.get_future().get()) == kInterruptedWord);
    for (int i = 0; i < 3; ++i) {
      start(client.call(methods::kOldGet, get_of("k"), {.timeout = 1h}), [&](const Got& got) {
        ends.push_back(got.status());
        // A callback that asks for more, as callbacks do.
        start(client.call(methods::kOldGet, get_of("k"), {.timeout = 1h}),
              [&](const Got& more) { ends.push_back(more.status()); });
      });
    }
    while (server.calls() < 4) std::this_thread::yield();
  }
  REQUIRE(ends.size() == 6);
  for (const absl::Status& end : ends) CHECK(absl::IsCancelled(end));
}

TEST_CASE("retry: delays double up to their bound, and none is shorter than half of it") {
  const RetryPolicy policy;
  const std::chrono::milliseconds expected[] = {20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1000ms, 1000ms, 1000ms};
  for (int round = 0; round < 50; ++round) {
    int made = 0;
    for (const auto whole : expected) {
      const auto delay = retry_delay(policy, ++made);
      CHECK(delay >= whole / 2);
      CHECK(delay <= whole);
    }
  }
}
