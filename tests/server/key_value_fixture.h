// kvstore.v1.KeyValueService behind a real channel, over a real engine, store and journal. The verbs make one call
// each.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>

#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "server/key_value_service.h"
#include "tests/server/engine_fixture.h"
#include "tests/server/service_fixture.h"

namespace kv {

namespace v1 = kvstore::v1;

inline void check_refused(const grpc::Status& status, grpc::StatusCode code, const std::string& reason) {
  CHECK(status.error_code() == code);
  CHECK_THAT(status.error_message(), Catch::Matchers::StartsWith(reason + ": "));
}

// FIELD_INVALID, naming the field.
inline void check_field(const grpc::Status& status, const std::string& path) {
  check_refused(status, grpc::StatusCode::INVALID_ARGUMENT, "FIELD_INVALID");
  CHECK_THAT(status.error_message(), Catch::Matchers::Contains(path));
  CHECK_THAT(status.error_details(), Catch::Matchers::Contains(path));
}

struct KeyValueFixture : EngineFixture {
  using Stub = v1::KeyValueService::Stub;

  explicit KeyValueFixture(std::optional<FsyncPolicy> log = {}, FileSystem& fs = posix_file_system(),
                           Limits limits = {}, std::string log_directory = {})
      : EngineFixture(log, fs, limits, std::move(log_directory)) {
    REQUIRE(server.start().ok());
    grpc::ChannelArguments arguments;
    arguments.SetInt("grpc.use_local_subchannel_pool", 1);
    channel = grpc::CreateCustomChannel(server.addresses().front(), grpc::InsecureChannelCredentials(), arguments);
    stub = v1::KeyValueService::NewStub(channel);
  }
  ~KeyValueFixture() {
    server.drain(std::chrono::steady_clock::now() + std::chrono::seconds(5), [this] { journal.abandon_waiters(); });
    server.close();
  }

  template <class Request, class Response>
  Reply<Response> call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                       const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    Reply<Response> reply;
    reply.status = ((*stub).*method)(&context, request, &reply.response);
    return reply;
  }
  auto get(const v1::GetRequest& request) { return call(&Stub::Get, request); }
  auto set(const v1::SetRequest& request) { return call(&Stub::Set, request); }
  auto remove(const v1::DeleteRequest& request) { return call(&Stub::Delete, request); }

  auto increment(const v1::IncrementRequest& request) { return call(&Stub::Increment, request); }
  auto append(const v1::AppendRequest& request) { return call(&Stub::Append, request); }
  auto set_expiry(const v1::SetExpiryRequest& request) { return call(&Stub::SetExpiry, request); }

  auto get(const std::string& key) {
    v1::GetRequest request;
    request.set_key(key);
    return get(request);
  }
  auto set(const std::string& key, const std::string& value) { return set(to_set(key, value)); }
  auto remove(const std::string& key) {
    v1::DeleteRequest request;
    request.set_key(key);
    return remove(request);
  }
  auto increment(const std::string& key, std::int64_t delta) {
    v1::IncrementRequest request;
    request.set_key(key);
    request.set_delta(delta);
    return increment(request);
  }
  auto append(const std::string& key, const std::string& suffix) {
    v1::AppendRequest request;
    request.set_key(key);
    request.set_suffix(suffix);
    return append(request);
  }
  // The value, or nothing for a miss.
  std::optional<std::string> value(const std::string& key) {
    const auto reply = get(key);
    REQUIRE(reply.ok());
    if (!reply.response.has_entry()) return std::nullopt;
    return reply.response.entry().value();
  }
  Reply<std::string> raw(const std::string& method, const std::string& bytes) {
    return raw_call(channel, "/kvstore.v1.KeyValueService/" + method, bytes);
  }
  static v1::SetRequest to_set(const std::string& key, const std::string& value) {
    v1::SetRequest request;
    request.set_key(key);
    request.set_value(value);
    return request;
  }

  KeyValueService service{engine};
  RpcServer server{RpcServerOptions{}, {&service}};
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<Stub> stub;
};

}  // namespace kv
