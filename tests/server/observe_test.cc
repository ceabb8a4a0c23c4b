// What is going on: the list of slow calls, the biggest keys, and the figures as a message.
#include <future>
#include <latch>
#include <thread>

#include <catch2/catch.hpp>

#include "server/big_keys.h"
#include "server/metric_families.h"
#include "server/slow_log.h"
#include "server/stats_message.h"
#include "tests/server/admin_fixture.h"
#include "tests/server/held_disk.h"

using namespace kv;
using namespace std::chrono_literals;
using grpc::StatusCode;

namespace {

constexpr auto kNever = std::chrono::hours(1);

auto slow_of(AdminFixture& f, std::uint32_t limit = 0) {
  v1::ListSlowRequestsRequest request;
  request.set_limit(limit);
  return f.call(&AdminFixture::Stub::ListSlowRequests, request);
}

auto big_of(AdminFixture& f, std::uint32_t limit = 0, std::chrono::milliseconds timeout = 20s) {
  v1::ListBigKeysRequest request;
  request.set_limit(limit);
  return f.call(&AdminFixture::Stub::ListBigKeys, request, timeout);
}

std::string names_of(const v1::ListBigKeysResponse& response) {
  std::string names;
  for (const v1::Entry& entry : response.keys()) names += entry.key() + " ";
  return names;
}

std::chrono::nanoseconds time_of(const google::protobuf::Duration& time) {
  return std::chrono::seconds(time.seconds()) + std::chrono::nanoseconds(time.nanos());
}

void del(AdminFixture& f, const std::string& key) {
  grpc::ClientContext context;
  kvstore::DelRequest request;
  request.set_key(key);
  kvstore::DelResponse response;
  REQUIRE(kvstore::KeyValueStore::NewStub(f.channel)->Del(&context, request, &response).ok());
}

// Field 1, as a client writes it.
grpc::ByteBuffer request_with_key(const std::string& key) {
  kvstore::SetRequest request;
  request.set_key(key);
  request.set_value("a value that is nobody's business");
  const grpc::Slice slice(request.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

SlowCall slow_call(const grpc::ByteBuffer& request, std::string_view method = "kvstore.KeyValueStore/Set") {
  return {method, 0, "ipv4:192.0.2.1:4", request, 5, 30ms, 4ms, 20ms};
}

}  // namespace

TEST_CASE("slow: a write that waited for the disk is listed, with its key and where its time went") {
  HeldDisk disk;
  AdminFixture f({}, &disk.fs);
  f.slow_log.set_threshold(1ns);
  disk.hold(true);
  std::thread writer([&] { f.set("slow \x01 key", "value"); });
  while (f.storage->journal().applied() == 0) std::this_thread::yield();
  constexpr auto kHeld = 40ms;
  std::this_thread::sleep_for(kHeld);  // this time itself is what is looked for below
  disk.hold(false);
  writer.join();
  f.slow_log.set_threshold(kNever);
  const auto listed = slow_of(f);
  REQUIRE(listed.ok());
  REQUIRE(listed.response.requests_size() == 1);
  const v1::SlowRequest& slow = listed.response.requests(0);
  CHECK(slow.method() == "kvstore.KeyValueStore/Set");
  CHECK(slow.key() == "slow \x01 key");
  CHECK(slow.key_bytes() == slow.key().size());
  CHECK(slow.code() == 0);
  CHECK_THAT(slow.peer(), Catch::Matchers::StartsWith("ipv4:127.0.0.1:"));
  CHECK(slow.request_bytes() == slow.key().size() + 5 + 4);
  CHECK(time_of(slow.persisting()) >= kHeld / 2);
  CHECK(time_of(slow.executing()) > 0ns);
  CHECK(slow.time().seconds() > 0);
}

TEST_CASE("slow: a call below the threshold is not listed, and a refused one is, with its code") {
  AdminFixture f;
  f.slow_log.set_threshold(kNever);
  f.set("quick", "value");
  f.slow_log.set_threshold(1ns);
  grpc::ClientContext context;
  google::protobuf::Empty empty;
  CHECK(!kvstore::KeyValueStore::NewStub(f.channel)->Set(&context, kvstore::SetRequest(), &empty).ok());
  f.slow_log.set_threshold(kNever);
  const auto listed = slow_of(f);
  REQUIRE(listed.response.requests_size() == 1);
  CHECK(listed.response.requests(0).code() == StatusCode::INVALID_ARGUMENT);
  CHECK(listed.response.requests(0).key().empty());
  CHECK(listed.response.requests(0).response_bytes() == 0);
}

TEST_CASE("slow: the newest 128 are kept, newest first, and all are counted") {
  ManualClock clock;
  SlowLog log(clock);
  for (int i = 0; i < 300; ++i) log.note(slow_call(request_with_key(std::to_string(i))));
  CHECK(log.total() == 300);
  const auto all = log.newest(0);
  REQUIRE(all.size() == SlowLog::kCallsMax);
  CHECK(all.front().key() == "299");
  CHECK(all.back().key() == "172");
  const auto two = log.newest(2);
  REQUIRE(two.size() == 2);
  CHECK(two.back().key() == "298");
  CHECK(log.newest(1'000'000).size() == SlowLog::kCallsMax);
}

TEST_CASE("slow: of a long key its first KiB is kept, and of a value nothing") {
  ManualClock clock;
  SlowLog log(clock);
  const std::string key = std::string(SlowLog::kKeyBytesMax, 'k') + std::string(9000, 'x');
  log.note(slow_call(request_with_key(key)));
  const v1::SlowRequest slow = log.newest(1).front();
  CHECK(slow.key() == std::string(SlowLog::kKeyBytesMax, 'k'));
  CHECK(slow.key_bytes() == key.size());
  CHECK(slow.DebugString().find("business") == std::string::npos);
  CHECK(time_of(slow.executing()) == 6ms);
  CHECK(time_of(slow.queued()) == 4ms);
  CHECK(time_of(slow.persisting()) == 20ms);
}

TEST_CASE("slow: only requests that begin with a key have one, and bytes that are no message do no harm") {
  ManualClock clock;
  SlowLog log(clock);
  log.note(slow_call(request_with_key("prefix"), "kvstore.v1.KeyValueService/DeleteRange"));
  CHECK(log.newest(1).front().key().empty());
  for (const std::string bytes : {"", "\x0a", "\x0a\xff", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\xff"}) {
    const grpc::Slice slice(bytes);
    log.note(slow_call(grpc::ByteBuffer(&slice, 1)));
    CHECK(log.newest(1).front().key().empty());
  }
  log.note(slow_call(grpc::ByteBuffer()));
  CHECK(log.newest(1).front().key().empty());
}

TEST_CASE("big: the biggest keys come first, and what is deleted or made smaller is gone from the list") {
  AdminFixture f({"--mode", "NON_PERSISTENT"});
  for (int i = 0; i < 500; ++i) f.set("small" + std::to_string(i), "v");
  f.set("huge", std::string(100'000, 'h'));
  f.set("large", std::string(10'000, 'l'));
  f.set("middle", std::string(1'000, 'm'));
  const auto first = big_of(f, 2);
  REQUIRE(first.ok());
  CHECK(names_of(first.response) == "huge large ");
  CHECK(first.response.keys(0).size_bytes() > 100'000);
  CHECK(first.response.keys(0).value().empty());
  CHECK(first.response.keys(0).version() == 501);
  CHECK(first.response.examined() == 503);
  CHECK(first.response.revision() == 503);
  del(f, "huge");
  CHECK(names_of(big_of(f, 2).response) == "large middle ");
  f.set("large", "v");
  CHECK(names_of(big_of(f, 1).response) == "middle ");
}

TEST_CASE("big: ten by default, a thousand at most, and of a type that no key has none") {
  AdminFixture f({"--mode", "NON_PERSISTENT"});
  for (int i = 0; i < 20; ++i) f.set("key" + std::to_string(i), std::string(static_cast<std::size_t>(100 * i), 'v'));
  CHECK(big_of(f).response.keys_size() == 10);
  CHECK(big_of(f, 1000).response.keys_size() == 20);
  const auto many = big_of(f, 1001);
  CHECK(many.status.error_code() == StatusCode::INVALID_ARGUMENT);
  CHECK(many.reason() == "FIELD_INVALID");
  v1::ListBigKeysRequest hashes;
  hashes.set_type(v1::VALUE_TYPE_HASH);
  const auto none = f.call(&AdminFixture::Stub::ListBigKeys, hashes);
  CHECK(none.ok());
  CHECK(none.response.keys_size() == 0);
  hashes.set_type(static_cast<v1::ValueType>(99));
  CHECK(f.call(&AdminFixture::Stub::ListBigKeys, hashes).reason() == "FIELD_INVALID");
}

TEST_CASE("big: keys that do not fit into one answer are refused, and fewer of them fit") {
  AdminFixture f({"--mode", "NON_PERSISTENT", "--max-key-bytes", "1MiB"});
  for (char c = 'a'; c < 'g'; ++c) f.set(std::string(1'000'000, c), "v");
  CHECK(big_of(f).reason() == "RESPONSE_TOO_LARGE");
  CHECK(big_of(f, 3).response.keys_size() == 3);
}

TEST_CASE("big: under fsync ALWAYS a key is shown only when no crash can take it back") {
  HeldDisk disk;
  AdminFixture f({}, &disk.fs);
  disk.hold(true);
  std::thread writer([&] { f.set("not safe yet", "value"); });
  while (f.storage->journal().applied() == 0) std::this_thread::yield();
  CHECK(big_of(f, 0, 300ms).status.error_code() == StatusCode::DEADLINE_EXCEEDED);
  disk.hold(false);
  writer.join();
  CHECK(names_of(big_of(f).response) == "not safe yet ");
}

TEST_CASE("big: while one walk is under way another is refused") {
  // Keeps the thread for walks from every turn until it is let go.
  struct Blocker final : Completion {
    void complete(bool) noexcept override { go.wait(); }
    std::latch go{1};
  };
  AdminFixture f({"--mode", "NON_PERSISTENT"});
  f.set("key", "value");
  Blocker blocker;
  f.engine().walks().post(blocker);
  auto ask = [&] {
    const auto reply = big_of(f);
    if (!reply.ok()) CHECK_THAT(reply.status.error_details(), Catch::Matchers::Contains("google.rpc.RetryInfo"));
    return reply.reason();
  };
  auto first = std::async(std::launch::async, ask);
  auto second = std::async(std::launch::async, ask);
  while (first.wait_for(1ms) != std::future_status::ready && second.wait_for(1ms) != std::future_status::ready) {
  }
  blocker.go.count_down();
  const std::string reasons = first.get() + second.get();  // one of them is that of an answer: none
  CHECK(reasons == "OVERLOADED");
  CHECK(big_of(f).ok());
}

TEST_CASE("stats: figures have the names of the exposition") {
  AdminFixture f;
  using prometheus::MetricType;
  f.families.push_back(labelled("some_total", "Some.", MetricType::Counter, {{"kind", "a", 3}, {"kind", "b", 4}}));
  f.families.push_back(single("level", "A level.", MetricType::Gauge, 0.5));
  DurationTotals totals;
  totals.by_duration[3] = 2;
  totals.nanoseconds = 9'000;
  f.families.push_back(metric_family("took_seconds", "Took.", MetricType::Histogram));
  add_durations(f.families.back(), totals);
  const auto stats = f.call(&AdminFixture::Stub::GetStats, v1::GetStatsRequest());
  REQUIRE(stats.ok());
  const auto& counters = stats.response.counters();
  CHECK(counters.at("kvstore_some_total{kind=\"a\"}") == 3);
  CHECK(counters.at("kvstore_some_total{kind=\"b\"}") == 4);
  CHECK(counters.at("kvstore_took_seconds_count") == 2);
  CHECK(counters.size() == 3);
  CHECK(stats.response.gauges().at("kvstore_level") == 0.5);
  CHECK(stats.response.gauges().at("kvstore_took_seconds_sum") == Approx(9e-6));
  CHECK(stats.response.gauges().size() == 2);
}
