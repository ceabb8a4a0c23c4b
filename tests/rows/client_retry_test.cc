// What kv::Client makes of refusals that it meets again when it comes again, on the server itself.
#include <future>

#include <catch2/catch.hpp>

#include "client/client.h"
#include "core/error.h"
#include "tests/support/disk_faults.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using namespace std::chrono_literals;

namespace {

struct FailingServer {
  explicit FailingServer(std::vector<std::string> flags = {})
      : server({directory.file("data"), std::move(flags), faults.environment(), {}}) {}

  TempDirectory directory;
  DiskFaults faults;
  RunningServer server;
};

}  // namespace

TEST_CASE("client retry: a write whose sync failed comes again with its id, and ends as one that may have been done") {
  FailingServer f;
  Client client({.target = f.server.address()});
  REQUIRE(wait(client.set("safe", "v")).ok());
  f.faults.begin("sync_fails");
  const auto lost = wait(client.set("k", "v"));
  CHECK(has_reason(lost.status(), Reason::kNotDurable));  // The last attempt met the first one's id.
  CHECK(outcome_unknown(lost.status()));
  const auto refused = wait(client.set("k", "w"));
  CHECK(has_reason(refused.status(), Reason::kWritesSuspended));
  CHECK_FALSE(outcome_unknown(refused.status()));
  CHECK(wait(client.get("safe")).ok());
}

TEST_CASE("client retry: without ids a write whose sync failed is told so once") {
  FailingServer f;
  Client client({.target = f.server.address(), .request_ids = false});
  REQUIRE(wait(client.set("safe", "v")).ok());
  f.faults.begin("sync_fails");
  const auto lost = wait(client.set("k", "v"));
  CHECK(has_reason(lost.status(), Reason::kOutcomeUnknown));
  CHECK(outcome_unknown(lost.status()));
}

TEST_CASE("client retry: who is told OVERLOADED comes again when the server has asked for it, and is served") {
  FailingServer f({"--max-bytes-in-flight", "1MiB"});
  Client large({.target = f.server.address()});
  Client client({.target = f.server.address()});
  REQUIRE(wait(client.get("k")).ok());
  const CallOptions patient{.timeout = 60s, .retry = {.attempts = 1000, .delay = 1ms, .delay_max = 1ms}};
  f.faults.begin("sync_hangs");
  auto holding =
      std::async(std::launch::async, [&] { return wait(large.set("k", std::string(2 << 20, 'x'), patient)); });
  const CallOptions once{.timeout = 60s, .retry = {.attempts = 1}};
  absl::Status told;
  while (told.ok())
    told = wait(Client({.target = f.server.address(), .answer_bytes_max = 64 << 20}).get("k", once)).status();
  CHECK(has_reason(told, Reason::kOverloaded));
  CHECK(facts_of(told)["limit"] == "1048576");
  auto served = std::async(std::launch::async, [&] { return wait(client.get("other", patient)); });
  // Two of its delays, so that it has been refused at least once.
  CHECK(served.wait_for(150ms) == std::future_status::timeout);
  f.faults.end("sync_hangs");
  CHECK(served.get().ok());
  CHECK(holding.get().ok());
}
