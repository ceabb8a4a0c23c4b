// A server with the echo service on a free port, and a channel to it.
#pragma once

#include <memory>
#include <string>

#include <catch2/catch.hpp>
#include <grpcpp/create_channel.h>

#include "echo_service.h"
#include "rpc/server.h"

namespace kv {

inline RpcServerOptions small_options() {
  RpcServerOptions options;
  options.queues = 1;
  options.bounds.posted_calls_per_method = 4;
  return options;
}

class RunningRpc {
 public:
  explicit RunningRpc(RpcServerOptions options = small_options()) : server(std::move(options), {&service}) {
    REQUIRE(server.start().ok());
    channel = connect();
    stub = kvstore::KeyValueStore::NewStub(channel);
  }
  ~RunningRpc() {
    service.lot.abandon();
    server.drain(std::chrono::steady_clock::now());
    server.close();
  }

  // A connection of its own.
  std::shared_ptr<grpc::Channel> connect() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(server.addresses().front(), grpc::InsecureChannelCredentials(), arguments);
  }

  grpc::Status get(const std::string& key, std::string* value = nullptr) {
    grpc::ClientContext context;
    kvstore::GetRequest request;
    request.set_key(key);
    kvstore::GetResponse response;
    const grpc::Status status = stub->Get(&context, request, &response);
    if (value != nullptr) *value = response.value();
    return status;
  }

  grpc::Status set(grpc::ClientContext& context, const std::string& key) {
    kvstore::SetRequest request;
    request.set_key(key);
    google::protobuf::Empty response;
    return stub->Set(&context, request, &response);
  }

  EchoService service;
  RpcServer server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<kvstore::KeyValueStore::Stub> stub;
};

}  // namespace kv
