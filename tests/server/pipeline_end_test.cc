// Streams of Pipeline that do not take what they are sent, are cut off, or are still there at a stop.
#include <atomic>
#include <future>
#include <random>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/server/pipeline_fixture.h"

using namespace kv;
using grpc::StatusCode;
using namespace std::chrono_literals;

TEST_CASE("pipeline: a client that does not read is not read from, and its stream costs no more than its bound") {
  KeyValueFixture f;
  REQUIRE(f.set("large", std::string(1 << 20, 'v')).ok());
  PipelineStream stream(*f.stub);
  std::atomic<int> sent{0};
  std::thread sender([&] {
    for (std::uint64_t id = 1; id <= 200; ++id) {
      if (!stream.send(Message(id).get("large").increment("seen", 1).request)) break;
      ++sent;
    }
    stream.done();
  });
  // Nobody reads until the server has stopped taking more. That it has stopped shows in calls on the same connection:
  // so many of them in a row were answered, and it took nothing in between.
  constexpr int kCallsInARow = 300;
  const auto seen = [&] {
    const auto value = f.value("seen");
    return value ? std::stoi(*value) : 0;
  };
  int before = 0;
  for (int same = 0; same < kCallsInARow;) {
    const int now = seen();
    same = now == before && now != 0 ? same + 1 : 0;
    before = now;
  }
  CHECK(before < 150);
  int answers = 0;
  while (stream.receive()) ++answers;
  sender.join();
  CHECK(stream.finish().ok());
  CHECK(answers == 200);
  CHECK(seen() == 200);
}

TEST_CASE("pipeline: a stop answers what was applied, applies nothing more, and ends the stream with its reason") {
  KeyValueFixture f;
  PipelineStream stream(*f.stub);
  PipelineStream idle(*f.stub);
  (void)idle.call(Message(1).get("k").request);
  (void)stream.call(Message(1).set("k", "v").request);
  auto stopped = std::async(std::launch::async, [&] {
    f.engine.stop_serving();
    f.server.drain(std::chrono::steady_clock::now() + 20s, [&] { f.journal.abandon_waiters(); });
  });
  CHECK_FALSE(idle.receive());
  check_refused(idle.finish(), StatusCode::UNAVAILABLE, "SHUTTING_DOWN");
  CHECK_FALSE(stream.receive());
  check_refused(stream.finish(), StatusCode::UNAVAILABLE, "SHUTTING_DOWN");
  CHECK(stopped.wait_for(20s) == std::future_status::ready);
  CHECK(f.server.calls_in_flight() == 0);
}

TEST_CASE("pipeline: streams that are cut off at any moment leave whole operations and a server that goes on") {
  KeyValueFixture f(FsyncPolicy::kNever);
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 60; ++round) {
    PipelineStream stream(*f.stub);
    const unsigned messages = static_cast<unsigned>(random() % 20);
    for (std::uint64_t id = 1; id <= messages; ++id) {
      Message m(id);
      m.atomic();
      for (int i = 0; i < 20; ++i) m.increment("n" + std::to_string(i), 1);
      if (!stream.send(m.request)) break;
    }
    for (auto i = static_cast<unsigned>(random() % 5); i > 0 && i <= messages; --i) (void)stream.receive();
    if (random() % 2 == 0) stream.cancel();
  }
  CHECK(f.set("k", "v").ok());
  PipelineStream check(*f.stub);
  const auto r = check.call(Message(1).get("n0").get("n19").atomic().request);
  CHECK(r.results(0).get().entry().value() == r.results(1).get().entry().value());
}

TEST_CASE("pipeline: it stops cleanly under load, with streams that never end by themselves") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int cycle = 0; cycle < 20; ++cycle) {
    KeyValueFixture f(cycle % 2 == 0 ? std::optional<FsyncPolicy>(FsyncPolicy::kAlways) : std::nullopt);
    std::atomic<int> answers{0};
    std::atomic<int> unexpected{0};
    std::vector<std::thread> clients;
    for (int t = 0; t < 3; ++t) {
      clients.emplace_back([&, t] {
        PipelineStream stream(*f.stub);
        for (std::uint64_t id = 1;; ++id) {
          if (!stream.send(Message(id).increment("n" + std::to_string(t), 1).get("n0").request)) break;
          if (id % 8 == 0 && !stream.receive()) break;
          ++answers;
        }
        while (stream.receive()) {
        }
        const grpc::Status ended = stream.finish();
        unexpected +=
            ended.error_code() == StatusCode::UNAVAILABLE || ended.error_code() == StatusCode::CANCELLED ? 0 : 1;
      });
    }
    const int wanted = static_cast<int>(random() % 200);
    while (answers < wanted) std::this_thread::yield();
    f.engine.stop_serving();
    f.server.drain(std::chrono::steady_clock::now() + std::chrono::milliseconds(random() % 2 == 0 ? 0 : 5000),
                   [&] { f.journal.abandon_waiters(); });
    CHECK(f.server.calls_in_flight() == 0);
    for (std::thread& client : clients) client.join();
    CHECK(unexpected == 0);
  }
}
