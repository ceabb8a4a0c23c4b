// What kvstore.v1 refuses of Get, Set and Delete, and the largest that it takes.
#include <catch2/catch.hpp>

#include "server/limits.h"
#include "tests/server/key_value_fixture.h"

using namespace kv;
using grpc::StatusCode;

TEST_CASE("v1: keys and entries out of their bounds are refused") {
  Limits limits;
  limits.key_bytes_max = 8;
  limits.entry_bytes_max = 20;
  KeyValueFixture f({}, posix_file_system(), limits);
  check_refused(f.get("").status, StatusCode::INVALID_ARGUMENT, "EMPTY_KEY");
  check_refused(f.set("", "v").status, StatusCode::INVALID_ARGUMENT, "EMPTY_KEY");
  check_refused(f.remove("").status, StatusCode::INVALID_ARGUMENT, "EMPTY_KEY");
  check_refused(f.get("123456789").status, StatusCode::INVALID_ARGUMENT, "KEY_TOO_LARGE");
  check_refused(f.remove("123456789").status, StatusCode::INVALID_ARGUMENT, "KEY_TOO_LARGE");
  check_refused(f.set("12345678", "1234567890123").status, StatusCode::INVALID_ARGUMENT, "ENTRY_TOO_LARGE");
  CHECK(f.set("12345678", "123456789012").ok());
}

TEST_CASE("v1: the largest entry can be stored and read with a client's default settings") {
  KeyValueFixture f;
  const Limits limits;
  const std::string key(limits.key_bytes_max, 'k');
  const std::string value(limits.entry_bytes_max - key.size(), 'v');
  REQUIRE(f.set(key, value).ok());
  CHECK(f.value(key) == value);
  const std::string all_value(limits.entry_bytes_max - 1, 'v');
  REQUIRE(f.set("k", all_value).ok());
  v1::SetRequest again = f.to_set("k", all_value);
  again.set_return_previous(true);
  CHECK(f.set(again).response.previous().value() == all_value);
}

TEST_CASE("v1: bytes that are not the message are refused as such") {
  KeyValueFixture f;
  for (const char* method : {"Get", "Set", "Delete"}) {
    check_refused(f.raw(method, "\x0a\x05k").status, StatusCode::INVALID_ARGUMENT, "MESSAGE_INVALID");
  }
}

TEST_CASE("v1: what this server does not know is refused, naming its place") {
  KeyValueFixture f;
  const std::string key("\x0a\x01k", 3);
  check_field(f.raw("Get", key + "\x98\x06\x01").status, "99");
  check_field(f.raw("Set", key + std::string("\x32\x03\x98\x06\x01", 5)).status, "options.99");
  check_field(f.raw("Set", key + std::string("\x22\x05\x0a\x03\x98\x06\x01", 7)).status, "expiry.ttl.99");
  check_field(f.raw("Delete", key + std::string("\x12\x03\x98\x06\x01", 5)).status, "precondition.99");
  v1::SetRequest request = f.to_set("k", "v");
  request.mutable_options()->set_durability(static_cast<v1::Durability>(9));
  check_field(f.set(request).status, "options.durability");
  request = f.to_set("k", "v");
  request.mutable_precondition()->set_type_equals(static_cast<v1::ValueType>(9));
  check_field(f.set(request).status, "precondition.type_equals");
  request.mutable_precondition()->set_type_equals(v1::VALUE_TYPE_UNSPECIFIED);
  check_field(f.set(request).status, "precondition.type_equals");
  request = f.to_set("k", "v");
  request.mutable_options()->set_request_id("0123456789abcde");
  check_field(f.set(request).status, "options.request_id");
  CHECK(f.journal.applied() == 0);
}

TEST_CASE("v1: expiries and preconditions that say nothing, or nonsense, are refused") {
  KeyValueFixture f;
  v1::SetRequest request = f.to_set("k", "v");
  request.mutable_precondition();
  check_field(f.set(request).status, "precondition");
  request.clear_precondition();
  v1::Expiry& expiry = *request.mutable_expiry();
  check_field(f.set(request).status, "expiry");
  expiry.set_never(false);
  check_field(f.set(request).status, "expiry.never");
  expiry.set_keep(false);
  check_field(f.set(request).status, "expiry.keep");
  const auto ttl = [&](std::int64_t seconds, std::int32_t nanos) {
    expiry.mutable_ttl()->set_seconds(seconds);
    expiry.mutable_ttl()->set_nanos(nanos);
    return f.set(request).status;
  };
  check_field(ttl(0, 0), "expiry.ttl");
  check_field(ttl(-1, 0), "expiry.ttl");
  check_field(ttl(0, -1), "expiry.ttl");
  check_field(ttl(1, -1), "expiry.ttl");
  check_field(ttl(1, 1'000'000'000), "expiry.ttl");
  check_field(ttl(std::int64_t{1} << 60, 0), "expiry.ttl");
  CHECK(ttl(5000 * std::int64_t{31'556'952}, 0).ok());
  const auto at = [&](std::int64_t seconds, std::int32_t nanos) {
    expiry.mutable_at()->set_seconds(seconds);
    expiry.mutable_at()->set_nanos(nanos);
    return f.set(request).status;
  };
  check_field(at(253'402'300'800, 0), "expiry.at");
  check_field(at(0, -1), "expiry.at");
  check_field(at(0, 1'000'000'000), "expiry.at");
  CHECK(at(253'402'300'799, 999'000'000).ok());
}

TEST_CASE("v1: without a log a level above MEMORY is refused, and a quorum always is") {
  KeyValueFixture f;
  v1::SetRequest request = f.to_set("k", "v");
  for (const auto level : {v1::DURABILITY_OS, v1::DURABILITY_DISK, v1::DURABILITY_QUORUM}) {
    request.mutable_options()->set_durability(level);
    check_refused(f.set(request).status, StatusCode::FAILED_PRECONDITION, "DURABILITY_UNAVAILABLE");
  }
  CHECK(f.journal.applied() == 0);
  request.mutable_options()->set_durability(v1::DURABILITY_MEMORY);
  CHECK(f.set(request).ok());
}
