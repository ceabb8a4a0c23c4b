// MultiGet of kvstore.v1 through the generated stubs.
#include <atomic>
#include <functional>
#include <semaphore>
#include <set>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/server/range_fixture.h"

using namespace kv;
using grpc::StatusCode;
using namespace std::chrono_literals;

namespace {

// Tells whenever it is asked: by the engine, under the lock of the shard, at each look at a key.
class WatchedClock final : public Clock {
 public:
  UnixMillis now() const noexcept override {
    asked();
    return time_.now();
  }
  MonotonicTime monotonic() const noexcept override { return time_.monotonic(); }
  void start_no_lower_than(UnixMillis floor) noexcept override { time_.start_no_lower_than(floor); }

  std::function<void()> asked = [] {};  // set before there are calls

 private:
  ManualClock time_;
};

// The stub's calls come to an engine that asks the watched clock; writes to `engine`, over the same store and journal,
// do not.
struct WatchedFixture : RangeFixture {
  WatchedFixture() {
    watched.attach(journal);
    watched.start_serving();
    REQUIRE(watched_server.start().ok());
    channel = grpc::CreateChannel(watched_server.addresses().front(), grpc::InsecureChannelCredentials());
    stub = v1::KeyValueService::NewStub(channel);
  }
  ~WatchedFixture() {
    watched_server.drain(std::chrono::steady_clock::now() + 5s, [] {});
    watched_server.close();
  }

  WatchedClock watched_clock;
  Engine watched{store, watched_clock, {}, progress};
  KeyValueService watched_service{watched};
  RpcServer watched_server{RpcServerOptions{}, {&watched_service}};
};

}  // namespace

TEST_CASE("multi get: answers come in the order of the request, doubles and misses included") {
  RangeFixture f;
  REQUIRE(f.set("a", "1").ok());
  REQUIRE(f.set("b", "").ok());
  v1::MultiGetRequest request;
  for (const char* key : {"b", "missing", "a", "a"}) request.add_keys(key);
  request.set_consistent(GENERATE(false, true));
  const auto [status, chunks] = f.multi_get(request);
  REQUIRE(status.ok());
  REQUIRE(chunks.size() == 1);
  const v1::MultiGetResponse& chunk = chunks.front();
  REQUIRE(chunk.results_size() == 4);
  CHECK(chunk.first_index() == 0);
  CHECK(chunk.revision() == 2);
  CHECK(chunk.results(0).has_entry());
  CHECK(chunk.results(0).entry().value().empty());
  CHECK_FALSE(chunk.results(1).has_entry());
  CHECK(chunk.results(2).entry().value() == "1");
  CHECK(chunk.results(2).entry().version() == 1);
  CHECK(chunk.results(2).entry().key().empty());
  CHECK(chunk.results(3).entry().value() == "1");
  CHECK(chunk.results(3).revision() == 2);
}

TEST_CASE("multi get: without values only what is known of the keys comes") {
  RangeFixture f;
  REQUIRE(f.set("a", "value").ok());
  v1::MultiGetRequest request;
  request.add_keys("a");
  request.set_omit_values(true);
  request.set_consistent(GENERATE(false, true));
  const auto [status, chunks] = f.multi_get(request);
  REQUIRE(status.ok());
  CHECK(chunks.front().results(0).entry().value().empty());
  CHECK(chunks.front().results(0).entry().version() == 1);
}

TEST_CASE("multi get: many keys come in chunks that follow each other, each below what a client takes by default") {
  RangeFixture f;
  const std::string value(GENERATE(10, 3000, 4'000'000), 'v');
  for (int i = 0; i < 10; ++i) REQUIRE(f.set(std::to_string(i), value).ok());
  v1::MultiGetRequest request;
  const int keys = value.size() > 100'000 ? 12 : 1000;
  for (int i = 0; i < keys; ++i) request.add_keys(std::to_string(i % 12));
  request.set_consistent(GENERATE(false, true));
  const auto [status, chunks] = f.multi_get(request);
  REQUIRE(status.ok());
  int next = 0;
  for (const v1::MultiGetResponse& chunk : chunks) {
    REQUIRE(chunk.first_index() == static_cast<std::uint32_t>(next));
    REQUIRE(chunk.ByteSizeLong() < (4 << 20));
    for (const v1::GetResponse& result : chunk.results()) {
      REQUIRE(result.has_entry() == (next % 12 < 10));
      if (result.has_entry()) REQUIRE(result.entry().value() == value);
      ++next;
    }
  }
  CHECK(next == keys);
}

TEST_CASE("multi get: no keys are no chunks, a bad key refuses all and is named") {
  RangeFixture f;
  CHECK(f.multi_get({}).second.empty());
  v1::MultiGetRequest request;
  request.add_keys("good");
  request.add_keys("");
  const auto [status, chunks] = f.multi_get(request);
  CHECK_THAT(status.error_message(), Catch::Matchers::StartsWith("EMPTY_KEY"));
  CHECK(chunks.empty());
}

TEST_CASE("multi get: a consistent answer has bounds, and says them") {
  RangeFixture f;
  v1::MultiGetRequest request;
  request.set_consistent(true);
  for (int i = 0; i < 1025; ++i) request.add_keys("k");
  CHECK_THAT(f.multi_get(request).first.error_message(), Catch::Matchers::StartsWith("TOO_MANY_OPERATIONS"));
  request.mutable_keys()->RemoveLast();
  CHECK(f.multi_get(request).first.ok());
  REQUIRE(f.set("k", std::string(4'000'000, 'v')).ok());
  const grpc::Status status = f.multi_get(request).first;
  CHECK(status.error_code() == StatusCode::RESOURCE_EXHAUSTED);
  CHECK_THAT(status.error_message(), Catch::Matchers::StartsWith("RESPONSE_TOO_LARGE"));
}

TEST_CASE("multi get: a call has a bound of keys, and is refused before the rest of it is read") {
  RangeFixture f;
  v1::MultiGetRequest request;
  for (int i = 0; i < 65'536; ++i) request.add_keys("k");
  const auto [status, chunks] = f.multi_get(request);
  CHECK(status.ok());
  CHECK(static_cast<int>(chunks.back().first_index()) + chunks.back().results_size() == 65'536);
  // What stands behind the key too many is not looked at.
  const std::string bytes = request.SerializeAsString() + request.SerializeAsString() + "no message";
  CHECK(f.raw("MultiGet", bytes).reason() == "TOO_MANY_OPERATIONS");
  CHECK(f.raw("MultiGet", "no message").reason() == "MESSAGE_INVALID");
  CHECK(f.raw("MultiGet", "\x0a\x01k\x20\x01").reason() == "FIELD_INVALID");
}

TEST_CASE("multi get: what the server holds for the keys of a call is counted as long as it is answered") {
  RangeFixture f;
  REQUIRE(f.set("k", std::string(1000, 'v')).ok());
  v1::MultiGetRequest request;
  for (int i = 0; i < 65'536; ++i) request.add_keys("k");
  {
    OpenStream<v1::MultiGetResponse> stream;
    stream.reader = f.stub->MultiGet(&stream.context, request);
    v1::MultiGetResponse chunk;
    REQUIRE(stream.reader->Read(&chunk));
    // 64 MB of answers do not fit into any window: the call is still there.
    CHECK(f.server.bytes_in_flight().held() >= request.ByteSizeLong() + 65'536 * sizeof(std::string_view));
    stream.context.TryCancel();
    while (stream.reader->Read(&chunk)) continue;
    (void)stream.reader->Finish();
  }
}

TEST_CASE("multi get: what is written between its looks at two keys is all in a consistent answer") {
  WatchedFixture f;
  constexpr int kKeys = 20;
  std::vector<std::string> keys;
  v1::MultiGetRequest request;
  request.set_consistent(true);
  for (int i = 0; i < kKeys; ++i) {
    keys.push_back("key " + std::to_string(i));
    request.add_keys(keys.back());
    REQUIRE(f.EngineFixture::set(keys.back(), "before").ok());
  }
  // At each look every key is written whose shard is not locked by it.
  std::binary_semaphore looking{0};
  std::binary_semaphore written{0};
  std::atomic<int> writes{0};
  std::atomic<bool> in_time{true};
  std::thread writer([&] {
    for (const std::string& looked_at : keys) {
      if (!looking.try_acquire_for(20s)) return;
      const std::size_t locked = f.store.shard_of(HashedKey(looked_at));
      for (const std::string& key : keys) {
        if (f.store.shard_of(HashedKey(key)) == locked) continue;
        if (f.EngineFixture::set(key, "at " + looked_at).ok()) ++writes;
      }
      written.release();
    }
  });
  f.watched_clock.asked = [&, looks = 0]() mutable {
    if (looks++ >= kKeys) return;  // The last look is at all of them, under all locks.
    looking.release();
    if (!written.try_acquire_for(10s)) in_time = false;
  };
  const auto [status, chunks] = f.multi_get(request);
  writer.join();
  REQUIRE(status.ok());
  CHECK(in_time);
  CHECK(writes > kKeys);
  REQUIRE(chunks.size() == 1);
  REQUIRE(chunks.front().results_size() == kKeys);
  CHECK(chunks.front().revision() == f.journal.applied());
  for (int i = 0; i < kKeys; ++i) {
    const std::string& key = keys[static_cast<std::size_t>(i)];
    CAPTURE(key);
    CHECK(chunks.front().results(i).entry().value() == f.EngineFixture::get(key));
  }
}

TEST_CASE("multi get: no result claims a change that it does not show, nor does the chunk") {
  WatchedFixture f;
  // The keys of three shards.
  std::vector<std::string> keys;
  std::set<std::size_t> shards;
  for (int i = 0; keys.size() < 3; ++i) {
    const std::string key = "key " + std::to_string(i);
    if (shards.insert(f.store.shard_of(HashedKey(key))).second) keys.push_back(key);
  }
  v1::MultiGetRequest request;
  for (const std::string& key : keys) {
    request.add_keys(key);
    REQUIRE(f.EngineFixture::set(key, "before").ok());
  }
  // While it looks at the second key, and holds that one's shard, the first and then the third change.
  f.watched_clock.asked = [&, looks = 0]() mutable {
    if (++looks != 2) return;
    std::thread([&] {
      (void)f.EngineFixture::set(keys[0], "after");
      (void)f.EngineFixture::set(keys[2], "after");
    }).join();
  };
  const auto [status, chunks] = f.multi_get(request);
  REQUIRE(status.ok());
  REQUIRE(chunks.size() == 1);
  const v1::MultiGetResponse& chunk = chunks.front();
  REQUIRE(chunk.results_size() == 3);
  REQUIRE(chunk.results(0).entry().value() == "before");
  REQUIRE(chunk.results(2).entry().value() == "after");
  CHECK(chunk.results(0).revision() == 3);
  CHECK(chunk.results(1).revision() == 3);
  CHECK(chunk.results(2).revision() == 5);
  CHECK(chunk.revision() == 3);
}

TEST_CASE("multi get: a consistent answer shows one revision, whatever is written meanwhile") {
  RangeFixture f;
  // One writer counts up a, then b, then c, and so on: at any revision no later key is ahead of an earlier one.
  constexpr int kKeys = 20;
  std::vector<std::string> keys;
  for (int i = 0; i < kKeys; ++i) keys.push_back("key " + std::to_string(i));
  std::atomic<bool> stopping{false};
  std::atomic<int> writes{0};
  std::thread writer([&] {
    for (int value = 0; !stopping; ++value) {
      for (const std::string& key : keys) {
        const std::string text = std::to_string(value);
        (void)run_task(f.engine.write(operation_of(OperationKind::kSet, key, text), f.caller));
        ++writes;
      }
    }
  });
  v1::MultiGetRequest request;
  request.set_consistent(true);
  for (const std::string& key : keys) request.add_keys(key);
  while (writes < kKeys) std::this_thread::yield();
  // Only a call that had a write beside it shows anything: on a machine with one processor to spare few have.
  for (int with_writes = 0; with_writes < 100;) {
    const int before_call = writes;
    const auto [status, chunks] = f.multi_get(request);
    if (writes != before_call) ++with_writes;
    REQUIRE(status.ok());
    const v1::MultiGetResponse& chunk = chunks.front();
    const int first = std::stoi(chunk.results(0).entry().value());
    const int last = std::stoi(chunk.results(kKeys - 1).entry().value());
    REQUIRE(first - last <= 1);
    for (int k = 1; k < kKeys; ++k) {
      const int before = std::stoi(chunk.results(k - 1).entry().value());
      const int here = std::stoi(chunk.results(k).entry().value());
      REQUIRE(before >= here);
      REQUIRE(chunk.results(k).entry().version() <= chunk.revision());
    }
  }
  stopping = true;
  writer.join();
}
