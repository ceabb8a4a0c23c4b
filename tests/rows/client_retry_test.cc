// What kv::Client makes of refusals that it meets again when it comes again, on the server itself.
#include <cstdint>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>

#include "client/client.h"
#include "core/error.h"
#include "kvstore/v1/admin_service.grpc.pb.h"
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

// The figures are told all the same while calls are refused.
std::uint64_t refused_gets(const RunningServer& server) {
  const auto stub =
      kvstore::v1::AdminService::NewStub(grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  kvstore::v1::GetStatsResponse stats;
  const grpc::Status status = stub->GetStats(&context, {}, &stats);
  if (!status.ok()) throw std::runtime_error("no figures: " + status.error_message());
  std::uint64_t refused = 0;
  for (const auto& [name, count] : stats.counters()) {
    const bool of_get = name.find("KeyValueService/Get\"") != name.npos;
    if (name.starts_with("kvstore_rpc_requests_total") && of_get && name.find("RESOURCE_EXHAUSTED") != name.npos) {
      refused += count;
    }
  }
  return refused;
}

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
  const std::uint64_t before = refused_gets(f.server);
  auto served = std::async(std::launch::async, [&] { return wait(client.get("other", patient)); });
  while (refused_gets(f.server) < before + 2) std::this_thread::yield();  // It was refused, and has come again.
  CHECK(served.wait_for(0s) == std::future_status::timeout);
  f.faults.end("sync_hangs");
  CHECK(served.get().ok());
  CHECK(holding.get().ok());
}
