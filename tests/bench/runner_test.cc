// How a whole run ends: its exit code, from options as they are typed.
#include "bench/runner.h"

#include <fstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "bench/search.h"
#include "bench/stub_service.h"
#include "rpc/server.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

// A server that behaves as programmed, and a load for it that lacks its times and its rate.
struct Stub {
  explicit Stub(const StubBehaviour& behaviour) : service(behaviour), server(options(), {&service}) {
    REQUIRE(server.start().ok());
    texts.preset = "get";
    texts.load = "no";
    texts.target = server.addresses().front();
  }
  static RpcServerOptions options() {
    RpcServerOptions one_queue;
    one_queue.queues = 1;
    return one_queue;
  }

  StubService service;
  RpcServer server;
  RunTexts texts;
};

TEST_CASE("run: one of which half failed ends as a failure, and so does one that found nobody") {
  StubBehaviour behaviour;
  behaviour.refuse_every = 2;
  Stub stub(behaviour);
  RunTexts& texts = stub.texts;
  texts.warm_up = "0ms";
  texts.duration = "100ms";
  texts.rate = "100";
  CHECK(run(resolve(texts).value(), "half") == BenchExit::kFailed);
  texts.target = "no-such-host.invalid:1";
  texts.deadline = "2s";  // beyond the end: what is never answered is late as well
  CHECK(run(resolve(texts).value(), "nobody") == BenchExit::kFailed);
}

TEST_CASE("run: a server that never comes to what is measured, because the warm-up left so much, is saturated") {
  StubBehaviour behaviour;
  behaviour.work = 2ms;
  Stub stub(behaviour);
  RunTexts& texts = stub.texts;
  texts.warm_up = "300ms";
  texts.duration = "200ms";
  texts.rate = "20k";
  texts.channels = 1;
  texts.deadline = "60s";
  texts.in_flight = 1000;  // 2 s of work at least
  CHECK(run(resolve(texts).value(), "behind") == BenchExit::kGoalMissed);
}

TEST_CASE("search: its JSON holds what it needs to be repeated") {
  Stub stub({});
  TempDirectory directory;
  RunTexts& texts = stub.texts;
  texts.warm_up = "0ms";
  texts.duration = "100ms";
  texts.json = directory.path() + "/found.json";
  CHECK(search(resolve(texts).value(), {*parse_goal("p99=10s"), 50, 50, "as typed"}) == BenchExit::kDone);
  const auto json = nlohmann::json::parse(std::ifstream(texts.json));
  CHECK(json.at("command") == "as typed");
  CHECK(json.at("from") == 50);
  CHECK(json.at("to") == 50);
  CHECK(json.at("workload").at("preset") == "get");
  CHECK(json.at("workload").at("seed") == 1);
  CHECK(json.at("client").contains("version"));
  CHECK(json.at("tries").size() == 1);
}

}  // namespace
}  // namespace kv
