// The old service behind a real channel, over a real engine, store and journal; only Storage is the test's, so that it
// decides how a change of settings goes.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "server/legacy_service.h"
#include "tests/server/engine_fixture.h"
#include "tests/server/stand_ins.h"

namespace kv {

// What a call brought back.
template <class Response>
struct Reply {
  grpc::Status status;
  Response response;
  std::map<std::string, std::string> trailers;

  bool ok() const { return status.ok(); }
  // The reason word at the start of the message.
  std::string reason() const { return status.error_message().substr(0, status.error_message().find(':')); }
};

// Any bytes as the request of a method: "/package.Service/Method".
Reply<std::string> raw_call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                            const std::string& bytes);

struct ServiceFixture : EngineFixture {
  using Metadata = std::vector<std::pair<std::string, std::string>>;
  using Stub = kvstore::KeyValueStore::Stub;

  explicit ServiceFixture(std::optional<FsyncPolicy> log = {}, bool config_allowed = true, Limits limits = {},
                          FileSystem& fs = posix_file_system(), std::string log_directory = {})
      : EngineFixture(log, fs, limits, std::move(log_directory)), service(engine, events, config_allowed) {
    service.start_serving(storage);
    REQUIRE(server.start().ok());
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetInt("grpc.use_local_subchannel_pool", 1);
    channel = grpc::CreateCustomChannel(server.addresses().front(), grpc::InsecureChannelCredentials(), arguments);
    stub = kvstore::KeyValueStore::NewStub(channel);
  }
  ~ServiceFixture() {
    server.drain(std::chrono::steady_clock::now() + std::chrono::seconds(5), [this] { journal.abandon_waiters(); });
    server.close();
  }

  template <class Request, class Response>
  Reply<Response> call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                       const Request& request, const Metadata& metadata = {}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + patience);
    for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
    Reply<Response> reply;
    reply.status = ((*stub).*method)(&context, request, &reply.response);
    for (const auto& [name, value] : context.GetServerTrailingMetadata()) {
      reply.trailers[std::string(name.data(), name.size())] = std::string(value.data(), value.size());
    }
    return reply;
  }

  auto set(const std::string& key, const std::string& value, const Metadata& metadata = {}) {
    kvstore::SetRequest request;
    request.set_key(key);
    request.set_value(value);
    return call(&Stub::Set, request, metadata);
  }
  auto get(const std::string& key, const Metadata& metadata = {}) {
    kvstore::GetRequest request;
    request.set_key(key);
    return call(&Stub::Get, request, metadata);
  }
  auto del(const std::string& key, const Metadata& metadata = {}) {
    kvstore::DelRequest request;
    request.set_key(key);
    return call(&Stub::Del, request, metadata);
  }
  auto keys(const Metadata& metadata = {}) { return call(&Stub::Keys, kvstore::KeysRequest(), metadata); }
  auto config(int mode, int interval = 0, int snapshots = 0, std::int64_t bytes = 0, const Metadata& metadata = {}) {
    kvstore::ConfigRequest request;
    request.set_storage_mode(static_cast<kvstore::StorageMode>(mode));
    request.set_snapshot_interval(interval);
    request.set_max_snapshots(snapshots);
    request.set_aof_max_size(bytes);
    return call(&Stub::Config, request, metadata);
  }
  Reply<std::string> raw(const std::string& method, const std::string& bytes) {
    return raw_call(channel, "/kvstore.KeyValueStore/" + method, bytes);
  }

  std::chrono::seconds patience{20};  // of each call
  EventThread events;
  ObedientStorage storage{journal};
  LegacyService service;
  RpcServer server{RpcServerOptions{}, {&service}};
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<Stub> stub;
};

}  // namespace kv
