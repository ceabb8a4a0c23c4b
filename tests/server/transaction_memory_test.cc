// What a transaction may hold while its shards are locked: little more than one record of the log and one copy of each
// value that it goes on from, however many operations it has.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "server/transaction.h"
#include "tests/server/engine_fixture.h"
#include "tests/server/refused_memory.h"

using namespace kv;

namespace {

constexpr std::size_t kValueBytes = 256 << 10;
constexpr UnixMillis kLater = 1'800'000'000'000;

struct Silent final : TransactionSink {
  absl::Status reserve(const TransactionOutcome&) override { return absl::OkStatus(); }
  void take(const TransactionOutcome& outcome) noexcept override {
    told = true;
    succeeded = outcome.succeeded;
  }
  bool told = false;
  bool succeeded = false;
};

Operation get_of(std::string_view key) {
  Operation operation;
  operation.kind = OperationKind::kGet;
  operation.key = key;
  return operation;
}

Operation expiry_of(std::string_view key, UnixMillis at) {
  Operation operation;
  operation.kind = OperationKind::kSetExpiry;
  operation.key = key;
  operation.expiry = {ExpiryPolicy::Kind::kAt, at};
  return operation;
}

Operation append_of(std::string_view key, std::string_view more) {
  Operation operation;
  operation.kind = OperationKind::kAppend;
  operation.key = key;
  operation.value = more;
  return operation;
}

UnixMillis expiry_at(EngineFixture& f, std::string_view key) {
  UnixMillis at = kNoExpiry;
  f.engine.read(HashedKey(key), [&](const Entry* entry) { at = entry == nullptr ? 0 : entry->expire_at(); });
  return at;
}

struct Ended {
  absl::Status error;
  std::size_t peak = 0;
};

Ended transact(EngineFixture& f, const TransactionRequest& request, Silent& sink) {
  const HeldMemory held;
  const auto done = run_task(f.engine.transact(request, f.caller, sink));
  return {done.ok() ? done->error : done.status(), held.peak()};
}

}  // namespace

TEST_CASE("transaction memory: a thousand expiries of one large value hold one copy of it, and the last one stays") {
  EngineFixture f;
  REQUIRE(f.set("k", std::string(kValueBytes, 'v')).ok());
  TransactionRequest request;
  for (std::size_t i = 1; i <= kTransactionOperationsMax; ++i)
    request.then.push_back(expiry_of("k", kLater + static_cast<UnixMillis>(i)));
  Silent sink;
  const Ended ended = transact(f, request, sink);
  CHECK(ended.error.ok());
  CHECK(ended.peak < 8 * kValueBytes);
  CHECK(expiry_at(f, "k") == kLater + static_cast<UnixMillis>(kTransactionOperationsMax));
  CHECK(f.get("k") == std::string(kValueBytes, 'v'));
}

TEST_CASE("transaction memory: values that its answer shows are kept, up to what an answer may have") {
  EngineFixture f;
  REQUIRE(f.set("k", std::string(kValueBytes, 'v')).ok());
  TransactionRequest request;
  for (std::size_t i = 0; i < kTransactionOperationsMax / 2; ++i) {
    request.then.push_back(expiry_of("k", kLater));
    request.then.push_back(get_of("k"));
  }
  Silent sink;
  const Ended ended = transact(f, request, sink);
  CHECK(has_reason(ended.error, Reason::kResponseTooLarge));
  CHECK(ended.peak < 2 * Limits().response_bytes_max());
  CHECK_FALSE(sink.told);
  CHECK(expiry_at(f, "k") == kNoExpiry);
}

TEST_CASE("transaction memory: appends that make more than a record are refused before they have made much more") {
  EngineFixture f;
  const std::string more(4090, 'm');
  TransactionRequest request;
  for (int i = 0; i < 400; ++i) request.then.push_back(append_of("k", more));  // 328 MB of values, one after the other
  Silent sink;
  const Ended ended = transact(f, request, sink);
  CHECK(has_reason(ended.error, Reason::kEntryTooLarge));
  CHECK(ended.peak < 2 * std::size_t{kRecordBytesMax});
  CHECK_FALSE(sink.told);
  CHECK_FALSE(f.get("k"));
  request.then.resize(40);
  CHECK(transact(f, request, sink).error.ok());
  CHECK(f.get("k")->size() == 40 * more.size());
}

TEST_CASE("transaction memory: copies of many large values are asked about as what a message brings") {
  EngineFixture f;
  const std::vector<std::string> names{"a", "b", "c", "d", "e", "f", "g", "h"};
  for (const std::string& name : names) REQUIRE(f.set(name, std::string(kValueBytes, 'v')).ok());
  f.engine.memory().set_limit(f.store.memory_bytes_about() + 3 * kValueBytes);
  TransactionRequest request;
  for (const std::string& name : names) request.then.push_back(expiry_of(name, kLater));
  Silent sink;
  const Ended ended = transact(f, request, sink);
  CHECK(has_reason(ended.error, Reason::kMemoryLimit));
  CHECK(ended.peak < 4 * kValueBytes);
  for (const std::string& name : names) CHECK(expiry_at(f, name) == kNoExpiry);
  request.then.assign(8, expiry_of("a", kLater));  // one copy after the other
  CHECK(transact(f, request, sink).error.ok());
  CHECK(expiry_at(f, "a") == kLater);
}

TEST_CASE("transaction memory: a branch that would not fit into a record does not refuse the other one") {
  EngineFixture f;
  const std::vector<std::string> names{"a", "b", "c", "d", "e"};
  for (const std::string& name : names) REQUIRE(f.set(name, std::string(7 << 19, 'v')).ok());
  TransactionRequest request;
  request.comparisons.push_back({.key = "a", .precondition = {}});
  request.comparisons[0].precondition.test = Precondition::Test::kExists;
  request.comparisons[0].precondition.exists = false;
  for (const std::string& name : names) request.then.push_back(append_of(name, "m"));
  request.otherwise.push_back(get_of("a"));
  Silent sink;
  CHECK(transact(f, request, sink).error.ok());
  CHECK(sink.told);
  CHECK_FALSE(sink.succeeded);
  request.comparisons[0].precondition.exists = true;
  CHECK(has_reason(transact(f, request, sink).error, Reason::kEntryTooLarge));
  CHECK(f.get("a")->size() == 7 << 19);
}
