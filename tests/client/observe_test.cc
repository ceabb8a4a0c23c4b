// stats, slow and big: once and again and again, in every form.
#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/client/desk.h"
#include "tests/client/fake_server.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using Catch::Matchers::Contains;
namespace v1 = kvstore::v1;

namespace {

v1::SlowRequest slow_request(const std::string& key, int milliseconds) {
  v1::SlowRequest slow;
  slow.mutable_time()->set_seconds(1'700'000'000);
  slow.set_method("kvstore.KeyValueStore/Set");
  slow.set_key(key);
  slow.set_key_bytes(key.size());
  slow.set_peer("ipv4:192.0.2.1:4");
  slow.mutable_queued()->set_nanos(1'500'000);
  slow.mutable_executing()->set_nanos(500'000);
  slow.mutable_persisting()->set_nanos((milliseconds - 2) * 1'000'000);
  slow.set_request_bytes(12);
  return slow;
}

v1::GetStatsResponse stats(std::uint64_t requests, double keys) {
  v1::GetStatsResponse response;
  (*response.mutable_counters())["kvstore_requests_total{code=\"OK\"}"] = requests;
  (*response.mutable_gauges())["kvstore_keys"] = keys;
  (*response.mutable_gauges())["kvstore_ratio"] = 0.25;
  return response;
}

}  // namespace

TEST_CASE("stats: every figure with its name, or those whose name has a part") {
  FakeServer server;
  server.admin.stats = {stats(7, 1e6)};
  Desk desk(server.target());
  CHECK(desk.type("stats") == ExitCode::kDone);
  CHECK(desk.out == "kvstore_keys 1000000\nkvstore_ratio 0.25\nkvstore_requests_total{code=\"OK\"} 7\n");
  CHECK(desk.type("stats ratio") == ExitCode::kDone);
  CHECK(desk.out == "kvstore_ratio 0.25\n");
  CHECK(desk.type("stats a b") == ExitCode::kUsage);
  CHECK(desk.type("stats --rounds 3") == ExitCode::kUsage);
  CHECK(desk.error == "--every and --rounds go with --watch\n");
  CHECK(desk.type("stats --watch --every soon") == ExitCode::kUsage);
  Desk json(server.target(), {.format = OutputFormat::kJson});
  json.type("stats keys");
  CHECK(json.out == "{\"name\":\"kvstore_keys\",\"value\":1000000}\n");
  Desk raw(server.target(), {.format = OutputFormat::kRaw});
  raw.type("stats ratio");
  CHECK(raw.out == "kvstore_ratio\t0.25\n");
}

TEST_CASE("stats: a watch shows what changed, and of counters how fast") {
  FakeServer server;
  server.admin.stats = {stats(7, 5), stats(19, 5), stats(19, 6)};
  Desk desk(server.target());
  CHECK(desk.type("stats --watch --every 1ms --rounds 3") == ExitCode::kDone);
  CHECK_THAT(desk.out, Contains("kvstore_keys 5\nkvstore_ratio 0.25\nkvstore_requests_total{code=\"OK\"} 7\n"
                                "kvstore_requests_total{code=\"OK\"} 19 ("));
  CHECK_THAT(desk.out, Contains("/s)\nkvstore_keys 6\n"));
  CHECK(server.admin.calls == 3);
}

TEST_CASE("stats: a watch ends when somebody interrupts it, or the server refuses") {
  FakeServer server;
  Desk desk(server.target());
  desk.interrupted = true;
  CHECK(desk.type("stats --watch --every 1h") == ExitCode::kInterrupted);
  desk.interrupted = false;
  server.admin.answer = grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "SOME_REASON: it does not");
  CHECK(desk.type("stats --watch --every 1ms") != ExitCode::kDone);
  CHECK_THAT(desk.error, Contains("Stats failed: SOME_REASON"));
}

TEST_CASE("slow: who, what, when, and where the time went; keys cannot move the cursor") {
  FakeServer server;
  v1::ListSlowRequestsResponse list;
  *list.add_requests() = slow_request("a\x1b[2Jb", 40);
  list.mutable_requests(0)->set_key_bytes(2000);
  server.admin.slow = {list};
  Desk desk(server.target());
  CHECK(desk.type("slow --limit 5") == ExitCode::kDone);
  CHECK(server.admin.asked_limit == 5);
  CHECK(desk.out ==
        "2023-11-14T22:13:20Z 40.0 ms kvstore.KeyValueStore/Set \"a\\x1b[2Jb\"... OK (queued 1.5, executing 0.5, "
        "persisting 38.0 ms; 12 bytes in, 0 out; ipv4:192.0.2.1:4)\n");
  Desk json(server.target(), {.format = OutputFormat::kJson});
  json.type("slow");
  CHECK_THAT(json.out, Contains("\"milliseconds\":40.0") && Contains("\"key\":\"a\\u001b[2Jb\"") &&
                           Contains("\"persisting_milliseconds\":38.0") && Contains("\"code\":\"OK\""));
  Desk table(server.target(), {.format = OutputFormat::kTable});
  table.type("slow");
  CHECK_THAT(table.out, Contains("PERSISTING") && Contains("40.0 ms"));
  CHECK(desk.type("slow --limit none") == ExitCode::kUsage);
}

TEST_CASE("slow: a watch shows each call once, the oldest first") {
  FakeServer server;
  v1::ListSlowRequestsResponse first, second;
  *first.add_requests() = slow_request("one", 40);
  *second.add_requests() = slow_request("three", 40);
  *second.add_requests() = slow_request("two", 40);
  *second.add_requests() = slow_request("one", 40);
  server.admin.slow = {first, first, second};
  Desk desk(server.target(), {.format = OutputFormat::kRaw});
  CHECK(desk.type("slow --watch --every 1ms --rounds 3") == ExitCode::kDone);
  const std::size_t one = desk.out.find("one"), two = desk.out.find("two"), three = desk.out.find("three");
  CHECK(one < two);
  CHECK(two < three);
  CHECK(std::count(desk.out.begin(), desk.out.end(), '\n') == 3);
}

TEST_CASE("big: size and key, biggest first as the server has them") {
  FakeServer server;
  for (const std::string key : {"plain", "\xff\n"}) {
    v1::Entry& entry = *server.admin.big.add_keys();
    entry.set_key(key);
    entry.set_size_bytes(4096);
    entry.set_version(9);
    entry.set_type(v1::VALUE_TYPE_STRING);
  }
  Desk desk(server.target());
  CHECK(desk.type("big --limit 2") == ExitCode::kDone);
  CHECK(desk.out ==
        "4096 bytes plain (version 9, expires never)\n4096 bytes \"\\xff\\n\" (version 9, expires never)\n");
  CHECK(server.admin.asked_limit == 2);
  Desk json(server.target(), {.format = OutputFormat::kJson});
  json.type("big");
  CHECK_THAT(json.out,
             Contains("\"key\":\"plain\"") && Contains("\"key_base64\":\"/wo=\"") && Contains("\"size_bytes\":4096"));
  CHECK(desk.type("big prefix") == ExitCode::kUsage);
}

TEST_CASE("big: a watch asks again, and shows the list that it is given then") {
  FakeServer server;
  for (const std::string key : {"first", "second"}) {
    v1::Entry& entry = *server.admin.big.add_keys();
    entry.set_key(key);
    entry.set_size_bytes(4096);
  }
  Desk desk(server.target(), {.format = OutputFormat::kRaw});
  CHECK(desk.type("big --watch --every 1ms --rounds 3") == ExitCode::kDone);
  const std::string list = "4096\tfirst\n4096\tsecond\n";
  CHECK(desk.out == list + list + list);
  desk.interrupted = true;
  CHECK(desk.type("big --watch --every 1h") == ExitCode::kInterrupted);
}

TEST_CASE("observing: the real server lists by its threshold, which changes while it runs, and knows its big keys") {
  TempDirectory folder;
  RunningServer server({folder.path() + "/data", {"--slow-threshold", "1h"}, {}, {}});
  Desk desk(server.address());
  CHECK(desk.type("snapshot") == ExitCode::kDone);
  desk.type("slow");
  CHECK(desk.out == "");
  CHECK(desk.type("config set slow-threshold=1ms") == ExitCode::kDone);
  CHECK(desk.type("snapshot") == ExitCode::kDone);  // forks, writes and syncs: never within a millisecond
  desk.type("slow");
  CHECK_THAT(desk.out, Contains("kvstore.v1.AdminService/CreateSnapshot OK"));
  desk.type("set bigger 1234567890");
  desk.type("set b 1");
  desk.type("big --limit 1");
  CHECK_THAT(desk.out, Contains("bytes bigger (version 1"));
  desk.type("stats kvstore_keys");
  CHECK(desk.out == "kvstore_keys 2\n");
  CHECK(desk.type("config set slow-threshold=0ms") == ExitCode::kUsage);
  CHECK_THAT(desk.error, Contains("slow-threshold"));
}
