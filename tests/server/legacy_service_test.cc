#include <algorithm>
#include <random>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/server/service_fixture.h"

using namespace kv;
using grpc::StatusCode;
using Metadata = ServiceFixture::Metadata;

namespace {

const Metadata kWantTrailers = {{"kvstore-want-trailers", "1"}};

std::string field(int number, const std::string& bytes) {
  return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(bytes.size()) + bytes;
}

}  // namespace

TEST_CASE("old service: set, get, del and keys do what the original's clients expect") {
  ServiceFixture f;
  CHECK(f.set("name", "johndoe").ok());
  CHECK(f.get("name").response.value() == "johndoe");
  CHECK(f.set("name", "other").ok());
  CHECK(f.get("name").response.value() == "other");
  CHECK(f.keys().response.keys_size() == 1);
  CHECK(f.del("name").response.success());
  CHECK_FALSE(f.del("name").response.success());
  CHECK(f.get("name").ok());
  CHECK(f.get("name").response.value().empty());
  CHECK(f.keys().response.keys_size() == 0);
}

TEST_CASE("old service: an empty value is stored, and a trailer tells it from a missing key") {
  ServiceFixture f;
  REQUIRE(f.set("empty", "").ok());
  CHECK(f.get("empty", kWantTrailers).trailers.at("kvstore-found") == "1");
  CHECK(f.get("missing", kWantTrailers).trailers.at("kvstore-found") == "0");
  CHECK(f.keys().response.keys(0) == "empty");
}

TEST_CASE("old service: every byte of a value, and blanks and newlines in a key, come back as they were") {
  ServiceFixture f;
  std::string value;
  for (int i = 0; i < 256; ++i) value += static_cast<char>(i);
  const std::string key("  a\n\tb \0 c ", 11);
  REQUIRE(f.set(key, value).ok());
  CHECK(f.get(key).response.value() == value);
  CHECK(f.keys().response.keys(0) == key);
}

TEST_CASE("old service: trailers are sent only when asked for") {
  ServiceFixture f(FsyncPolicy::kAlways);
  CHECK(f.set("k", "v").trailers.empty());
  CHECK(f.get("k").trailers.empty());
  CHECK(f.del("k").trailers.empty());
  CHECK(f.keys().trailers.empty());
  CHECK(f.config(0).trailers.empty());
  CHECK(f.get("k", {{"kvstore-want-trailers", "0"}}).trailers.empty());

  const auto set = f.set("k", "v", kWantTrailers);
  CHECK(set.trailers.at("kvstore-revision") == "3");
  CHECK(set.trailers.at("kvstore-durability") == "disk");
  CHECK(f.get("k", kWantTrailers).trailers.at("kvstore-revision") == "3");
  const auto del = f.del("k", kWantTrailers);
  CHECK(del.trailers.at("kvstore-revision") == "4");
  CHECK(del.trailers.at("kvstore-durability") == "disk");
  CHECK(f.keys(kWantTrailers).trailers.at("kvstore-revision") == "4");
  CHECK(f.get("never written", kWantTrailers).trailers.at("kvstore-revision") == "4");
  CHECK(f.del("never written", kWantTrailers).trailers.at("kvstore-revision") == "4");
  CHECK(f.config(0, 0, 0, 0, kWantTrailers).trailers.count("kvstore-revision") == 1);
}

TEST_CASE("old service: timing by stage is a trailer of its own") {
  ServiceFixture f(FsyncPolicy::kAlways);
  const Metadata want = {{"kvstore-want-timing", "1"}};
  for (const auto& trailers :
       {f.set("k", "v", want).trailers, f.get("k", want).trailers, f.del("k", want).trailers, f.keys(want).trailers}) {
    CHECK(trailers.size() == 1);
    CHECK_THAT(trailers.at("kvstore-timing"),
               Catch::Matchers::Matches("queue;dur=[0-9]+, exec;dur=[0-9]+, disk;dur=[0-9]+"));
  }
}

TEST_CASE("old service: a write can ask for the level it needs, and is refused where the mode cannot give it") {
  const auto with = [](const char* level) {
    return Metadata{{"kvstore-durability", level}, {"kvstore-want-trailers", "1"}};
  };
  ServiceFixture logging(FsyncPolicy::kAlways);
  for (const char* level : {"memory", "os", "disk"}) {
    CHECK(logging.set("k", "v", with(level)).trailers.at("kvstore-durability") == level);
    CHECK(logging.del("k", with(level)).trailers.at("kvstore-durability") == level);
  }
  ServiceFixture volatile_one;
  CHECK(volatile_one.set("k", "v", with("memory")).ok());
  for (const char* level : {"os", "disk"}) {
    const auto refused = volatile_one.set("k", "w", with(level));
    CHECK(refused.status.error_code() == StatusCode::FAILED_PRECONDITION);
    CHECK(refused.reason() == "DURABILITY_UNAVAILABLE");
    CHECK(volatile_one.del("k", with(level)).reason() == "DURABILITY_UNAVAILABLE");
  }
  CHECK(volatile_one.get("k").response.value() == "v");
}

TEST_CASE("old service: metadata that does not exist, or has a value it cannot have, is refused and nothing applied") {
  ServiceFixture f;
  for (const auto& pair : Metadata{{"kvstore-durability", "forever"},
                                   {"kvstore-durabilty", "disk"},
                                   {"kvstore-want-trailers", "yes"},
                                   {"kvstore-want-timing", ""},
                                   {"kvstore-request-id-bin", std::string(15, 'x')}}) {
    CAPTURE(pair.first);
    const auto refused = f.set("k", "v", {pair});
    CHECK(refused.status.error_code() == StatusCode::INVALID_ARGUMENT);
    CHECK(refused.reason() == "FIELD_INVALID");
    CHECK(f.get("k", {pair}).reason() == "FIELD_INVALID");
  }
  CHECK(f.keys().response.keys_size() == 0);
  CHECK(f.set("k", "v", {{"x-anything-else", "is not ours"}}).ok());
}

TEST_CASE("old service: a write that is sent again with its request id is applied once and answered as before") {
  ServiceFixture f(FsyncPolicy::kAlways);
  const auto with = [](char id) {
    return Metadata{{"kvstore-request-id-bin", std::string(16, id)}, {"kvstore-want-trailers", "1"}};
  };
  const auto first = f.set("k", "v", with('a'));
  REQUIRE(first.ok());
  CHECK(first.trailers.count("kvstore-replayed") == 0);
  REQUIRE(f.set("k", "newer").ok());
  const auto again = f.set("k", "v", with('a'));
  REQUIRE(again.ok());
  CHECK(again.trailers.at("kvstore-replayed") == "1");
  CHECK(again.trailers.at("kvstore-revision") == first.trailers.at("kvstore-revision"));
  CHECK(again.trailers.at("kvstore-durability") == "disk");
  CHECK(f.get("k").response.value() == "newer");

  CHECK_FALSE(f.del("missing", with('b')).response.success());
  REQUIRE(f.set("missing", "there now").ok());
  CHECK_FALSE(f.del("missing", with('b')).response.success());
  CHECK(f.get("missing").response.value() == "there now");
  CHECK(f.del("missing", with('c')).response.success());
  CHECK(f.del("missing", with('c')).response.success());

  const auto reused = f.set("k", "something else", with('a'));
  CHECK(reused.status.error_code() == StatusCode::FAILED_PRECONDITION);
  CHECK(reused.reason() == "REQUEST_ID_REUSED");
  CHECK(f.del("k", with('a')).reason() == "REQUEST_ID_REUSED");
}

TEST_CASE("old service: a request id belongs to a write, once") {
  ServiceFixture f;
  const Metadata::value_type id{"kvstore-request-id-bin", std::string(16, '\0')};
  CHECK(f.get("k", {id}).reason() == "FIELD_INVALID");
  CHECK(f.keys({id}).reason() == "FIELD_INVALID");
  CHECK(f.config(3, 0, 0, 0, {id}).reason() == "FIELD_INVALID");
  CHECK(f.set("k", "v", {id, id}).reason() == "FIELD_INVALID");
  CHECK(f.set("k", "v", {id}).ok());
}

TEST_CASE("old service: keys that are empty, too long or not UTF-8 are refused with their own words") {
  ServiceFixture f;
  for (const auto& status : {f.set("", "v").status, f.get("").status, f.del("").status}) {
    CHECK(status.error_code() == StatusCode::INVALID_ARGUMENT);
    CHECK_THAT(status.error_message(), Catch::Matchers::StartsWith("EMPTY_KEY: "));
  }
  const std::string longest(64 << 10, 'k');
  CHECK(f.set(longest, "v").ok());
  CHECK(f.get(longest).response.value() == "v");
  CHECK(f.set(longest + "k", "v").reason() == "KEY_TOO_LARGE");
  CHECK(f.get(longest + "k").reason() == "KEY_TOO_LARGE");
  CHECK(f.del(longest + "k").reason() == "KEY_TOO_LARGE");
  for (const char* method : {"Set", "Get", "Del"}) {
    for (const char* bad : {"\xff", "a\xc3", "\xed\xa0\x80"}) {
      const auto refused = f.raw(method, field(1, bad));
      CHECK(refused.status.error_code() == StatusCode::INVALID_ARGUMENT);
      CHECK(refused.reason() == "KEY_NOT_UTF8");
    }
  }
}

TEST_CASE("old service: the largest entry is stored and read back, one byte more is refused") {
  ServiceFixture f(FsyncPolicy::kAlways);
  const std::string most((4 << 20) - (4 << 10) - 1, 'v');
  REQUIRE(f.set("k", most).ok());
  CHECK(f.get("k").response.value() == most);
  const auto refused = f.set("k", most + "v");
  CHECK(refused.status.error_code() == StatusCode::INVALID_ARGUMENT);
  CHECK(refused.reason() == "ENTRY_TOO_LARGE");
  CHECK_THAT(refused.status.error_details(), Catch::Matchers::Contains("4190208"));
}

TEST_CASE("old service: a message above the limit is refused by gRPC, and the connection goes on") {
  ServiceFixture f;
  CHECK(f.set("k", std::string(9 << 20, 'v')).status.error_code() == StatusCode::RESOURCE_EXHAUSTED);
  CHECK(f.set("k", "v").ok());
}

TEST_CASE("old service: bytes that are no message are answered MESSAGE_INVALID, never INTERNAL, and harm nobody") {
  ServiceFixture f;
  for (const char* method : {"Set", "Get", "Del", "Keys", "Config"}) {
    for (const std::string& bytes : {std::string("\x0a"), std::string("\x0a\xff\xff\xff\xff\x0f"), std::string("\xff"),
                                     std::string("\x0a\x05"
                                                 "ab"),
                                     std::string(1, '\0')}) {
      const auto refused = f.raw(method, bytes);
      CAPTURE(method, refused.status.error_message());
      CHECK(refused.status.error_code() == StatusCode::INVALID_ARGUMENT);
      CHECK(refused.reason() == "MESSAGE_INVALID");
    }
  }
  std::mt19937 random(42);
  for (int i = 0; i < 2000; ++i) {
    std::string noise(random() % 64, '\0');
    std::ranges::generate(noise, [&] { return static_cast<char>(random()); });
    const auto code = f.raw(i % 2 == 0 ? "Get" : "Set", noise).status.error_code();
    CHECK((code == StatusCode::OK || code == StatusCode::INVALID_ARGUMENT));
  }
  CHECK(f.set("k", "v").ok());
}

TEST_CASE("old service: keys leaves out what is not UTF-8 and says how many") {
  ServiceFixture f;
  REQUIRE(f.set("text", "v").ok());
  REQUIRE(static_cast<EngineFixture&>(f).set("\xff\xfe", "v").ok());
  const auto keys = f.keys();
  CHECK(keys.response.keys_size() == 1);
  CHECK(keys.trailers.at("kvstore-omitted-keys") == "1");
}

TEST_CASE("old service: keys above the bound are refused, naming Scan") {
  Limits limits;
  limits.legacy_keys_bytes_max = 100;
  ServiceFixture f({}, true, limits);
  REQUIRE(f.set(std::string(60, 'a'), "v").ok());
  CHECK(f.keys().ok());
  REQUIRE(f.set(std::string(60, 'b'), "v").ok());
  const auto refused = f.keys();
  CHECK(refused.status.error_code() == StatusCode::RESOURCE_EXHAUSTED);
  CHECK(refused.reason() == "RESPONSE_TOO_LARGE");
  CHECK_THAT(refused.status.error_message(), Catch::Matchers::Contains("Scan"));
}

TEST_CASE("old service: while the data is loaded, calls are told so, with the progress") {
  ServiceFixture f;
  LoadProgress progress;
  progress.bytes_total = 10;
  progress.bytes_done = 4;
  Engine loading(f.store, f.clock, f.engine.limits(), progress);
  LegacyService service(loading, f.events, true);
  RpcServer server(RpcServerOptions{}, {&service});
  REQUIRE(server.start().ok());
  f.stub = kvstore::KeyValueStore::NewStub(
      grpc::CreateChannel(server.addresses().front(), grpc::InsecureChannelCredentials()));
  for (const auto& status :
       {f.set("k", "v").status, f.get("k").status, f.del("k").status, f.keys().status, f.config(0).status}) {
    CHECK(status.error_code() == StatusCode::UNAVAILABLE);
    CHECK_THAT(status.error_message(), Catch::Matchers::StartsWith("LOADING: "));
  }
  server.close();
}

TEST_CASE("old service: a key of another type is listed, refused by get, replaced by set and removed by del") {
  ServiceFixture f;
  for (const char* key : {"h", "i"}) {
    WriteLock shard = f.store.write(HashedKey(key));
    shard.publish(shard.prepare_put(HashedKey(key), HashedValue("inside"), ValueType::kHash, kNoExpiry), 1);
  }
  CHECK(f.keys().response.keys_size() == 2);
  const auto refused = f.get("h");
  CHECK(refused.status.error_code() == StatusCode::FAILED_PRECONDITION);
  CHECK(refused.reason() == "WRONG_TYPE");
  REQUIRE(f.set("h", "plain").ok());
  CHECK(f.get("h").response.value() == "plain");
  CHECK(f.del("i").response.success());
  CHECK(f.keys().response.keys_size() == 1);
}

TEST_CASE("old service: after the stop began, calls are told so") {
  ServiceFixture f;
  f.engine.stop_serving();
  for (const auto& status :
       {f.set("k", "v").status, f.get("k").status, f.del("k").status, f.keys().status, f.config(0).status}) {
    CHECK(status.error_code() == StatusCode::UNAVAILABLE);
    CHECK_THAT(status.error_message(), Catch::Matchers::StartsWith("SHUTTING_DOWN: "));
  }
}

TEST_CASE("old service: a method that does not exist is UNIMPLEMENTED") {
  ServiceFixture f;
  CHECK(f.raw("Rename", "").status.error_code() == StatusCode::UNIMPLEMENTED);
}

TEST_CASE("legacy: the list of a Keys counts while it is made, and is given up when the server holds too much") {
  ServiceFixture f;
  constexpr int kKeys = 10'000;
  for (int i = 0; i < kKeys; ++i) {
    const std::string key = fmt::format("{:0100}", i);
    REQUIRE(run_task(f.engine.write(set_operation(key, "v"), f.caller)).ok());
  }
  // A megabyte of names. Where a block of them and its successor have filled the bound, the next one is refused.
  RpcServerOptions options;
  options.bytes_in_flight_max = 512 << 10;
  LegacyService service(f.engine, f.events, true);
  RpcServer narrow(options, {&service});
  REQUIRE(narrow.start().ok());
  const auto channel = grpc::CreateChannel(narrow.addresses().front(), grpc::InsecureChannelCredentials());
  const auto refused = raw_call(channel, "/kvstore.KeyValueStore/Keys", "");
  CHECK(refused.status.error_code() == StatusCode::RESOURCE_EXHAUSTED);
  CHECK(refused.reason() == "OVERLOADED");
  CHECK(f.keys().response.keys_size() == kKeys);
  narrow.drain(std::chrono::steady_clock::now() + std::chrono::seconds(5));
  CHECK(narrow.bytes_in_flight().held() == 0);
  narrow.close();
}
