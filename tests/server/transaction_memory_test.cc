// What a transaction may hold and copy while its shards are locked: little more than one record of the log and one copy
// of each value that it goes on from, however many operations it has.
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
    shown.clear();
    for (const Decision& decision : outcome.decisions) {
      const EntryShown& entry = decision.outcome.entry;
      shown.push_back({std::string(entry.value.substr(0, 1)), entry.value.size(), entry.expire_at, entry.version});
    }
  }
  struct Shown {
    std::string first;  // character of the value
    std::size_t bytes;
    UnixMillis expire_at;
    Revision version;
  };
  bool told = false;
  std::vector<Shown> shown;
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
  operation.expiry = {at == kNoExpiry ? ExpiryPolicy::Kind::kNever : ExpiryPolicy::Kind::kAt, at};
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
  std::size_t total = 0;
};

Ended transact(EngineFixture& f, const TransactionRequest& request, Silent& sink) {
  const HeldMemory held;
  const auto done = run_task(f.engine.transact(request, f.caller, sink));
  return {done.ok() ? done->error : done.status(), held.peak(), held.total()};
}

}  // namespace

TEST_CASE("transaction memory: a thousand expiries of one large value make one copy of it, and the last one stays") {
  EngineFixture f;
  REQUIRE(f.set("k", std::string(kValueBytes, 'v')).ok());
  TransactionRequest request;
  for (std::size_t i = 1; i <= kTransactionOperationsMax; ++i)  // whose entries differ in length
    request.then.push_back(expiry_of("k", i % 2 == 1 ? kNoExpiry : kLater + static_cast<UnixMillis>(i)));
  Silent sink;
  const Ended ended = transact(f, request, sink);
  CHECK(ended.error.ok());
  CHECK(ended.peak < 8 * kValueBytes);
  CHECK(ended.total < 8 * kValueBytes);
  CHECK(expiry_at(f, "k") == kLater + static_cast<UnixMillis>(kTransactionOperationsMax));
  CHECK(f.get("k") == std::string(kValueBytes, 'v'));
}

TEST_CASE("transaction memory: a value that is shown between its new expiries is not copied for that") {
  EngineFixture f;
  REQUIRE(f.set("k", std::string(kValueBytes, 'v')).ok());
  TransactionRequest request;
  for (std::size_t i = 0; i < kTransactionOperationsMax / 2; ++i) {
    request.then.push_back(expiry_of("k", kLater + static_cast<UnixMillis>(i)));
    request.then.push_back(get_of("k"));
  }
  Silent sink;
  const Ended ended = transact(f, request, sink);
  CHECK(ended.error.ok());
  CHECK(ended.total < 8 * kValueBytes);
  REQUIRE(sink.shown.size() == kTransactionOperationsMax);
  for (std::size_t i = 1; i < sink.shown.size(); i += 2) {
    CHECK(sink.shown[i].bytes == kValueBytes);
    CHECK(sink.shown[i].expire_at == kLater + static_cast<UnixMillis>(i / 2));
    CHECK(sink.shown[i].version == 2);
  }
  CHECK(expiry_at(f, "k") == kLater + static_cast<UnixMillis>(kTransactionOperationsMax / 2 - 1));
}

TEST_CASE("transaction memory: what the transaction made itself is shown as it was at each moment") {
  EngineFixture f;
  REQUIRE(f.set("k", "old").ok());
  const std::string made(kValueBytes, 'm');
  TransactionRequest request;
  request.then = {expiry_of("k", kLater),          get_of("k"), set_operation("k", made),  get_of("k"),
                  expiry_of("k", kLater + 1),      get_of("k"), append_of("k", "n"),       get_of("k"),
                  set_operation("k", "z", kLater), get_of("k"), expiry_of("k", kLater + 2)};
  Silent sink;
  REQUIRE(transact(f, request, sink).error.ok());
  const auto is = [&sink](std::size_t at, const char* first, std::size_t bytes, UnixMillis expire_at) {
    INFO(at);
    CHECK(sink.shown[at].first == first);
    CHECK(sink.shown[at].bytes == bytes);
    CHECK(sink.shown[at].expire_at == expire_at);
    CHECK(sink.shown[at].version == 2);
  };
  is(1, "o", 3, kLater);
  is(3, "m", kValueBytes, kNoExpiry);
  is(5, "m", kValueBytes, kLater + 1);
  is(7, "m", kValueBytes + 1, kLater + 1);
  is(9, "z", 1, kLater);
  CHECK(f.get("k") == "z");
  CHECK(expiry_at(f, "k") == kLater + 2);
}

TEST_CASE("transaction memory: a key that gets another expiry and goes in the same transaction is gone") {
  EngineFixture f;
  REQUIRE(f.set("k", std::string(kValueBytes, 'v')).ok());
  TransactionRequest request;
  request.then.push_back(expiry_of("k", kLater));
  Operation& gone = request.then.emplace_back();
  gone.kind = OperationKind::kDelete;
  gone.key = "k";
  Silent sink;
  const Ended ended = transact(f, request, sink);
  CHECK(ended.error.ok());
  CHECK(ended.total < kValueBytes);
  CHECK_FALSE(f.get("k"));
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
  CHECK(ended.total < kValueBytes);  // before any was made
  for (const std::string& name : names) CHECK(expiry_at(f, name) == kNoExpiry);
  request.then.assign(8, expiry_of("a", kLater));  // one copy
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
