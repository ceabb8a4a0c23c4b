// How a pipeline of the library ends: with itself, or by a stop.
#include <future>
#include <thread>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/client/pipeline_results.h"

using namespace kv;
using namespace std::chrono_literals;

TEST_CASE("pipeline: its end gives up what is not answered, and every callback has run then") {
  FakeServer server;
  server.v1.holds_messages = true;
  Client client(options_for(server));
  Results results;
  std::promise<absl::Status> called;
  {
    Pipeline pipeline(client, {.call = {.timeout = 1h}, .message_operations_max = 10, .operations_in_flight_max = 500});
    for (int i = 0; i < 500; ++i) pipeline.submit(set_of("k", "v"), results.next());
    start(pipeline.call(get_of("k")), [&](const Pipeline::Result& result) { called.set_value(result.status()); });
    while (server.v1.message_sizes().empty()) std::this_thread::yield();
  }
  REQUIRE(results.size() == 500);
  for (const auto& result : results.take(500)) CHECK(absl::IsCancelled(result.status()));
  CHECK(absl::IsCancelled(called.get_future().get()));
  server.v1.holds_messages = false;
  CHECK(wait(client.set("k", "v")).ok());
  const Pipeline unused(client);
}

TEST_CASE("pipeline: a stop gives up all of it, and what is submitted later") {
  FakeServer server;
  server.v1.holds_messages = true;
  Client client(options_for(server));
  std::stop_source stop;
  Pipeline pipeline(client, {.call = {.timeout = 1h, .stop = stop.get_token()}});
  Results results;
  for (int i = 0; i < 10; ++i) pipeline.submit(set_of("k", "v"), results.next());
  while (server.v1.message_sizes().empty()) std::this_thread::yield();
  stop.request_stop();
  for (const auto& result : results.take(10)) CHECK(reason_of(result.status()) == kInterruptedWord);
  CHECK(reason_of(wait(pipeline.call(get_of("k"))).status()) == kInterruptedWord);
}

TEST_CASE("pipeline: a stop while the server is away does not wait for the next attempt") {
  FakeServer server;
  server.stop();
  Client client(options_for(server));
  std::stop_source stop;
  Pipeline pipeline(client,
                    {.call = {.timeout = 1h, .retry = {.delay = 1h, .delay_max = 1h}, .stop = stop.get_token()}});
  Results results;
  pipeline.submit(set_of("k", "v"), results.next());
  std::this_thread::yield();
  stop.request_stop();
  CHECK(reason_of(results.take(1).front().status()) == kInterruptedWord);
}
