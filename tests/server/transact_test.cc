// Transact of kvstore.v1 through the generated stubs.
#include <catch2/catch.hpp>

#include "tests/server/key_value_fixture.h"

using namespace kv;
using grpc::StatusCode;
using namespace std::chrono_literals;

namespace {

void give_id(v1::TransactRequest& request, char id) { request.mutable_options()->set_request_id(std::string(16, id)); }

struct TransactFixture : KeyValueFixture {
  using KeyValueFixture::KeyValueFixture;

  auto transact(const v1::TransactRequest& request) { return call(&Stub::Transact, request); }
};

// Requests, step by step.
struct Script {
  Script& if_version(const std::string& key, std::uint64_t version) {
    v1::Comparison& comparison = *request.add_comparisons();
    comparison.set_key(key);
    comparison.mutable_precondition()->set_version_equals(version);
    return *this;
  }
  Script& set(const std::string& key, const std::string& value) {
    v1::SetRequest& set = *add().mutable_set();
    set.set_key(key);
    set.set_value(value);
    return *this;
  }
  Script& get(const std::string& key) {
    add().mutable_get()->set_key(key);
    return *this;
  }
  Script& remove(const std::string& key) {
    add().mutable_delete_()->set_key(key);
    return *this;
  }
  Script& increment(const std::string& key, std::int64_t delta) {
    add().mutable_increment()->set_key(key);
    last->mutable_increment()->set_delta(delta);
    return *this;
  }
  Script& append(const std::string& key, const std::string& suffix) {
    add().mutable_append()->set_key(key);
    last->mutable_append()->set_suffix(suffix);
    return *this;
  }
  Script& otherwise() {
    in_otherwise = true;
    return *this;
  }
  v1::Operation& add() { return *(last = in_otherwise ? request.add_otherwise() : request.add_then()); }

  v1::TransactRequest request;
  v1::Operation* last = nullptr;
  bool in_otherwise = false;
};

}  // namespace

TEST_CASE("transact: several keys change at one revision, and answers come in the order of the operations") {
  TransactFixture f(FsyncPolicy::kAlways);
  Script s;
  s.set("a", "1").set("b", "2").get("a").increment("b", 5).append("a", "x").get("b");
  const auto reply = f.transact(s.request);
  INFO(reply.status.error_message());
  REQUIRE(reply.ok());
  const v1::TransactResponse& r = reply.response;
  CHECK(r.succeeded());
  CHECK(r.write().revision() == 1);
  CHECK(r.write().durability() == v1::DURABILITY_DISK);
  REQUIRE(r.results_size() == 6);
  CHECK(r.results(0).set().applied());
  CHECK(r.results(0).set().write().revision() == 1);
  CHECK(r.results(2).get().entry().value() == "1");
  CHECK(r.results(2).get().entry().version() == 1);
  CHECK(r.results(2).get().revision() == 1);
  CHECK(r.results(3).increment().value() == 7);
  CHECK(r.results(4).append().length() == 2);
  CHECK(r.results(5).get().entry().value() == "7");
  CHECK(f.value("a") == "1x");
  CHECK(f.get("a").response.entry().version() == 1);
  CHECK(f.get("b").response.entry().create_version() == 1);
  CHECK(f.journal.applied() == 1);
}

TEST_CASE("transact: when a comparison does not hold the other branch runs, on the same state") {
  TransactFixture f;
  REQUIRE(f.set("k", "one").ok());
  Script s;
  s.if_version("k", 1).if_version("other", 0).set("k", "two").set("other", "x");
  s.otherwise().get("k").get("other");
  const auto first = f.transact(s.request);
  REQUIRE(first.ok());
  CHECK(first.response.succeeded());
  CHECK(first.response.results_size() == 2);
  const auto second = f.transact(s.request);
  REQUIRE(second.ok());
  CHECK_FALSE(second.response.succeeded());
  CHECK(second.response.write().revision() == 0);
  REQUIRE(second.response.results_size() == 2);
  CHECK(second.response.results(0).get().entry().value() == "two");
  CHECK(second.response.results(1).get().entry().value() == "x");
  CHECK(f.journal.applied() == 2);
}

TEST_CASE("transact: an operation sees what earlier ones made, whose version is equal to none") {
  TransactFixture f;
  REQUIRE(f.set("k", "old").ok());
  Script s;
  s.set("k", "new");
  s.last->mutable_set()->set_return_previous(true);
  s.set("k", "newer");
  s.last->mutable_set()->set_return_previous(true);
  s.set("k", "no");
  s.last->mutable_set()->mutable_precondition()->set_version_equals(2);  // the transaction's own, as it will be
  s.set("k", "last");
  s.last->mutable_set()->mutable_precondition()->set_value_equals("newer");
  s.remove("k").get("k").set("k", "again").get("k");
  const auto reply = f.transact(s.request);
  REQUIRE(reply.ok());
  const v1::TransactResponse& r = reply.response;
  CHECK(r.results(0).set().previous().value() == "old");
  CHECK(r.results(0).set().previous().version() == 1);
  CHECK(r.results(1).set().previous().value() == "new");
  CHECK(r.results(1).set().previous().version() == 2);
  CHECK(r.results(1).set().previous().create_version() == 1);
  CHECK_FALSE(r.results(2).set().applied());
  CHECK(r.results(2).set().write().revision() == 0);
  CHECK(r.results(2).set().previous().value() == "newer");
  CHECK(r.results(3).set().applied());
  CHECK(r.results(4).delete_().deleted());
  CHECK_FALSE(r.results(5).get().has_entry());
  CHECK(r.results(7).get().entry().create_version() == 2);
  CHECK(f.get("k").response.entry().create_version() == 2);
  CHECK(f.value("k") == "again");
}

TEST_CASE("transact: the first operation that fails undoes all, and its place is told") {
  TransactFixture f;
  REQUIRE(f.set("text", "x").ok());
  Script s;
  s.set("a", "1").remove("text").set("text", "y").increment("text", 1).set("b", "2");
  const auto reply = f.transact(s.request);
  check_refused(reply.status, StatusCode::FAILED_PRECONDITION, "NOT_AN_INTEGER");
  CHECK_THAT(reply.status.error_message(), Catch::Matchers::Contains("then[3].increment"));
  CHECK_THAT(reply.status.error_details(), Catch::Matchers::Contains("operation"));
  CHECK_THAT(reply.status.error_details(), Catch::Matchers::Contains("field"));
  CHECK_FALSE(f.value("a"));
  CHECK(f.value("text") == "x");
  CHECK(f.journal.applied() == 1);
}

TEST_CASE("transact: keys that are due are missing, and are removed before they are made anew") {
  TransactFixture f(FsyncPolicy::kAlways);
  v1::SetRequest set = f.to_set("k", "v");
  set.mutable_expiry()->mutable_ttl()->set_seconds(1);
  REQUIRE(f.set(set).ok());
  f.clock.advance(1001ms);
  Script s;
  s.if_version("k", 0).get("k").increment("k", 3).get("k");
  const auto reply = f.transact(s.request);
  REQUIRE(reply.ok());
  CHECK(reply.response.succeeded());
  CHECK_FALSE(reply.response.results(0).get().has_entry());
  CHECK(reply.response.results(1).increment().created());
  CHECK(reply.response.results(2).get().entry().create_version() == 2);
  CHECK(f.get("k").response.entry().create_version() == 2);
  CHECK(f.store.totals().keys == 1);
}

TEST_CASE("transact: expiries are set, kept, and passed ones remove, within the transaction too") {
  TransactFixture f;
  Script s;
  s.set("k", "v");
  s.last->mutable_set()->mutable_expiry()->mutable_ttl()->set_seconds(7);
  s.append("k", "w").get("k");
  s.set("gone", "v");
  v1::SetExpiryRequest& passed = *s.add().mutable_set_expiry();
  passed.set_key("gone");
  passed.mutable_expiry()->mutable_at()->set_seconds(1);
  s.get("gone");
  v1::SetExpiryRequest& moved = *s.add().mutable_set_expiry();
  moved.set_key("k");
  moved.mutable_expiry()->mutable_ttl()->set_seconds(9);
  const auto reply = f.transact(s.request);
  REQUIRE(reply.ok());
  const std::int64_t now = f.clock.now() / 1000;
  CHECK(reply.response.results(2).get().entry().expire_time().seconds() == now + 7);
  CHECK(reply.response.results(4).set_expiry().applied());
  CHECK_FALSE(reply.response.results(5).get().has_entry());
  CHECK(reply.response.results(6).set_expiry().entry().expire_time().seconds() == now + 9);
  CHECK(f.get("k").response.entry().expire_time().seconds() == now + 9);
  CHECK(f.store.totals().keys == 1);
}

TEST_CASE("transact: nothing to do is done, and reads alone have no revision of their own") {
  TransactFixture f;
  const auto nothing = f.transact({});
  REQUIRE(nothing.ok());
  CHECK(nothing.response.succeeded());
  CHECK(nothing.response.results_size() == 0);
  REQUIRE(f.set("k", "v").ok());
  Script s;
  s.get("k").get("none");
  const auto reply = f.transact(s.request);
  CHECK(reply.response.write().revision() == 0);
  CHECK(reply.response.results(0).get().revision() == 1);
  CHECK(f.journal.applied() == 1);
}

TEST_CASE("transact: so many operations and comparisons, and no more") {
  TransactFixture f;
  Script s;
  for (int i = 0; i < 1024; ++i) s.set("k" + std::to_string(i), "v");
  CHECK(f.transact(s.request).ok());
  s.set("one", "more");
  check_refused(f.transact(s.request).status, StatusCode::INVALID_ARGUMENT, "TOO_MANY_OPERATIONS");
  Script c;
  for (int i = 0; i < 1025; ++i) c.if_version("k", 1);
  check_refused(f.transact(c.request).status, StatusCode::INVALID_ARGUMENT, "TOO_MANY_OPERATIONS");
  Script o;
  o.otherwise();
  for (int i = 0; i < 1025; ++i) o.get("k");
  check_refused(f.transact(o.request).status, StatusCode::INVALID_ARGUMENT, "TOO_MANY_OPERATIONS");
  CHECK(f.journal.applied() == 1);
}

TEST_CASE("transact: answers that would not fit are refused before anything is applied") {
  TransactFixture f;
  REQUIRE(f.set("large", std::string(3 << 20, 'v')).ok());
  Script s;
  s.set("k", "v").get("large");
  CHECK(f.transact(s.request).ok());
  s.get("large").set("k", "w");
  check_refused(f.transact(s.request).status, StatusCode::RESOURCE_EXHAUSTED, "RESPONSE_TOO_LARGE");
  CHECK(f.value("k") == "v");
}

TEST_CASE("transact: a value that grows within the transaction is admitted for what it logs, up to one record") {
  TransactFixture f(FsyncPolicy::kNever);
  REQUIRE(f.set("k", std::string(1 << 20, 'v')).ok());
  Script s;
  for (int i = 0; i < 4; ++i) s.append("k", std::string(500'000, 'x'));
  const auto reply = f.transact(s.request);
  INFO(reply.status.error_message());
  REQUIRE(reply.ok());
  CHECK(f.get("k").response.entry().version() == 2);
  CHECK(f.value("k")->size() == (1 << 20) + 2'000'000);
  Script more;
  for (int i = 0; i < 12; ++i) more.append("k", "x");  // Twelve times three megabytes: more than a record holds.
  check_refused(f.transact(more.request).status, StatusCode::INVALID_ARGUMENT, "ENTRY_TOO_LARGE");
  CHECK(f.value("k")->size() == (1 << 20) + 2'000'000);
}

TEST_CASE("transact: what does not belong there is refused, naming its place") {
  TransactFixture f;
  const auto told_at = [](const grpc::Status& status, const std::string& path) {
    check_refused(status, StatusCode::INVALID_ARGUMENT, "FIELD_INVALID");
    CHECK_THAT(status.error_details(), Catch::Matchers::Contains(path));
  };
  const auto refused_at = [&](const Script& s, const std::string& path) {
    told_at(f.transact(s.request).status, path);
  };
  Script s;
  s.set("k", "v").add();
  refused_at(s, "then[1]");
  CHECK_THAT(f.transact(s.request).status.error_details(), Catch::Matchers::Contains("operation"));
  s = Script();
  s.set("k", "v").last->mutable_set()->mutable_options();
  refused_at(s, "then[0].set.options");
  s = Script();
  s.otherwise().set("k", "v").last->mutable_set()->mutable_expiry();
  refused_at(s, "otherwise[0].set.expiry");
  s = Script();
  s.set("k", "v").request.add_comparisons()->set_key("k");
  refused_at(s, "comparisons[0].precondition");
  s = Script();
  s.request.mutable_options()->set_durability(static_cast<v1::Durability>(9));
  refused_at(s, "options.durability");
  s = Script();
  s.request.mutable_options()->set_request_id("0123456789abcde");
  refused_at(s, "options.request_id");
  told_at(f.raw("Transact", "\x98\x06\x01").status, "99");
  told_at(f.raw("Transact", std::string("\x12\x03\xfa\x01\x00", 5)).status, "then[0].31");
  check_refused(f.raw("Transact", "\x12\x05").status, StatusCode::INVALID_ARGUMENT, "MESSAGE_INVALID");
  s = Script();
  s.set("a", "v").get("");
  const auto empty = f.transact(s.request);
  check_refused(empty.status, StatusCode::INVALID_ARGUMENT, "EMPTY_KEY");
  CHECK_THAT(empty.status.error_details(), Catch::Matchers::Contains("then[1].get.key"));
  CHECK_THAT(empty.status.error_details(), Catch::Matchers::Contains("operation"));
  s = Script();
  s.if_version("", 1);
  check_refused(f.transact(s.request).status, StatusCode::INVALID_ARGUMENT, "EMPTY_KEY");
  CHECK(f.journal.applied() == 0);
}

TEST_CASE("transact: a level can be asked for, and one that cannot be given is refused before applying") {
  TransactFixture f;
  Script s;
  s.set("k", "v").request.mutable_options()->set_durability(v1::DURABILITY_OS);
  check_refused(f.transact(s.request).status, StatusCode::FAILED_PRECONDITION, "DURABILITY_UNAVAILABLE");
  CHECK(f.journal.applied() == 0);
  Script reads;
  reads.get("k").request.mutable_options()->set_durability(v1::DURABILITY_DISK);
  check_refused(f.transact(reads.request).status, StatusCode::FAILED_PRECONDITION, "DURABILITY_UNAVAILABLE");
  TransactFixture logged(FsyncPolicy::kNever);
  s.request.mutable_options()->set_durability(v1::DURABILITY_DISK);
  CHECK(logged.transact(s.request).response.write().durability() == v1::DURABILITY_DISK);
  CHECK(logged.journal.durable() == 1);
}

TEST_CASE("transact: while the server stops it says so") {
  TransactFixture f;
  f.engine.stop_serving();
  check_refused(f.transact({}).status, StatusCode::UNAVAILABLE, "SHUTTING_DOWN");
}

TEST_CASE("transact: sent again with its request id it is applied once, and told whether it succeeded") {
  TransactFixture f(FsyncPolicy::kAlways);
  Script script;
  script.if_version("lock", 0).set("lock", "mine").increment("counter", 5).otherwise().increment("refused", 1);
  give_id(script.request, 'a');
  const auto first = f.transact(script.request);
  REQUIRE(first.ok());
  CHECK(first.response.succeeded());
  const auto again = f.transact(script.request);
  REQUIRE(again.ok());
  CHECK(again.response.succeeded());
  CHECK(again.response.write().replayed());
  CHECK(again.response.write().revision() == first.response.write().revision());
  CHECK(again.response.results().empty());

  // Another one takes the other branch; its retry does too, although the lock is free by then.
  give_id(script.request, 'b');
  CHECK_FALSE(f.transact(script.request).response.succeeded());
  Script free;
  free.remove("lock");
  REQUIRE(f.transact(free.request).ok());
  const auto other = f.transact(script.request);
  CHECK_FALSE(other.response.succeeded());
  CHECK(other.response.write().replayed());

  // An id names one transaction.
  script.set("more", "1");
  CHECK(f.transact(script.request).reason() == "REQUEST_ID_REUSED");
}

TEST_CASE("transact: what failed for what it found fails for its retry too, naming the operation") {
  TransactFixture f;
  Script script;
  script.set("a", "1").increment("text", 1);
  give_id(script.request, 'a');
  Script text;
  text.set("text", "no number");
  REQUIRE(f.transact(text.request).ok());
  const auto first = f.transact(script.request);
  CHECK(first.reason() == "NOT_AN_INTEGER");
  Script number;
  number.set("text", "1");
  REQUIRE(f.transact(number.request).ok());
  const auto again = f.transact(script.request);
  CHECK(again.reason() == "NOT_AN_INTEGER");
  CHECK(again.status.error_message().find("then[1].increment") != std::string::npos);
}
