// Loads that give their keys a time to live: seen by a client of the server, not by the load itself.
#include <catch2/catch.hpp>
#include <unistd.h>

#include "bench/measurement.h"
#include "client/client.h"
#include "client/wait.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

TEST_CASE("run: what a write is told to live its key lives, by every API that can say so") {
  for (const Api api : {Api::kUnary, Api::kPipeline}) {
    TempDirectory directory;
    RunningServer server({directory.path(), {"--mode", "non_persistent"}, {}, {}});
    LoadPlan plan;
    plan.caller.target = server.address();
    plan.caller.api = api;
    plan.workload = *preset("set");
    plan.workload.keys = 500;
    plan.closed = 8;
    plan.warm_up = 0ms;
    plan.duration = 200ms;
    plan.caller.time_to_live = 90min + 1500ms;
    const auto before = std::chrono::system_clock::now().time_since_epoch() + plan.caller.time_to_live;
    KeySpace keys(plan.workload.keys);
    Progress silent(nullptr);
    CHECK(measure(plan, keys, nullptr, getpid(), silent).record.total().failed == 0);
    ClientOptions options;
    options.target = server.address();
    Client client(options);
    int found = 0;
    for (std::uint64_t number = 0; number < plan.workload.keys; ++number) {
      std::string key;
      write_key(number, plan.caller.key_bytes, key);
      const auto got = wait(client.get(key));
      REQUIRE(got.ok());
      if (!got->has_entry()) continue;  // never drawn
      ++found;
      const google::protobuf::Timestamp& due = got->entry().expire_time();
      const auto late = std::chrono::seconds(due.seconds()) + std::chrono::nanoseconds(due.nanos()) - before;
      CHECK(late >= -1ms);
      CHECK(late < 10min);
    }
    CHECK(found > 0);
  }
}

}  // namespace
}  // namespace kv
