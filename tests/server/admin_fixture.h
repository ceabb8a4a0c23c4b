// The admin service behind a real channel, over a real Storage in a directory of its own, beside the old service for
// writes. The verbs make one call each.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>

#include "core/absl_text.h"
#include "kvstore/kvstore.grpc.pb.h"
#include "kvstore/v1/admin_service.grpc.pb.h"
#include "server/admin_service.h"
#include "server/engine.h"
#include "server/legacy_service.h"
#include "tests/server/service_fixture.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_directory.h"

namespace kv {

namespace v1 = kvstore::v1;

class AdminFixture {
 public:
  using Stub = v1::AdminService::Stub;
  using Flags = std::vector<std::string>;
  static constexpr std::uint64_t kAutomaticMemory = std::uint64_t{3} << 30;

  // On `fs` the directory is /data, on the real disk one of its own.
  explicit AdminFixture(const Flags& flags = {}, FileSystem* fs = nullptr, Environment environment = {})
      : fs_(fs != nullptr ? *fs : posix_file_system()), path_(fs != nullptr ? "/data" : directory_.file("data")) {
    start(flags, environment);
  }
  ~AdminFixture() { end(); }

  // A stop that is not clean, and a start with these flags.
  void restart(const Flags& flags = {}, const Environment& environment = {}) {
    end();
    start(flags, environment);
  }

  template <class Request, class Response>
  Reply<Response> call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                       const Request& request, std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    Reply<Response> reply;
    reply.status = ((*stub).*method)(&context, request, &reply.response);
    return reply;
  }
  auto status() { return call(&Stub::GetStatus, v1::GetStatusRequest()); }
  auto get_config() { return call(&Stub::GetConfig, v1::GetConfigRequest()); }
  auto update(const v1::UpdateConfigRequest& request) { return call(&Stub::UpdateConfig, request); }
  auto list() { return call(&Stub::ListSnapshots, v1::ListSnapshotsRequest()); }
  auto snapshot(bool wait = true) {
    v1::CreateSnapshotRequest request;
    request.set_wait(wait);
    return call(&Stub::CreateSnapshot, request);
  }
  auto rewrite(bool wait = true) {
    v1::RewriteLogRequest request;
    request.set_wait(wait);
    return call(&Stub::RewriteLog, request);
  }
  auto wait_durable(Revision revision, v1::Durability level = v1::DURABILITY_UNSPECIFIED,
                    std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
    v1::WaitDurableRequest request;
    request.set_revision(revision);
    request.set_durability(level);
    return call(&Stub::WaitDurable, request, timeout);
  }
  // To another mode, and waits until its promise holds.
  auto switch_to(v1::PersistenceMode mode, v1::TransitionPhase wait_for = v1::TRANSITION_PHASE_ACTIVE) {
    v1::UpdateConfigRequest request;
    request.mutable_config()->set_mode(mode);
    request.set_wait_for(wait_for);
    return update(request);
  }
  Engine& engine() { return *engine_; }
  // Through the old service, at the level of the mode or at `level`.
  void set(const std::string& key, const std::string& value, const char* level = nullptr) {
    grpc::ClientContext context;
    if (level != nullptr) context.AddMetadata("kvstore-durability", level);
    kvstore::SetRequest request;
    request.set_key(key);
    request.set_value(value);
    google::protobuf::Empty empty;
    const grpc::Status done = kvstore::KeyValueStore::NewStub(channel)->Set(&context, request, &empty);
    INFO(done.error_message());
    REQUIRE(done.ok());
  }

 private:
  void start(const Flags& flags, const Environment& environment) {
    const auto line = read_command_line(flags, environment);
    INFO(line.status().ToString());
    REQUIRE(line.ok());
    StorageOptions options;
    options.directory = path_;
    options.startup = line->options.startup;
    options.settings_rule = line->options.settings_rule;
    options.log = [](int, const std::string&) {};
    store_ = std::make_unique<Store>(StoreOptions{.shard_count = 8});
    progress_ = std::make_unique<LoadProgress>();
    engine_ = std::make_unique<Engine>(*store_, clock, line->options.limits, *progress_);
    events_ = std::make_unique<EventThread>();
    legacy_ = std::make_unique<LegacyService>(*engine_, *events_, true);
    slow_log.set_threshold(std::chrono::hours(1));  // None, until a test wants some.
    service = std::make_unique<AdminService>(*engine_, fixed_config_of(*line, kAutomaticMemory),
                                             AdminSights{&slow_log, [this] { return families; }});
    RpcServerOptions rpc;
    rpc.slow_calls = &slow_log;
    server = std::make_unique<RpcServer>(rpc, std::vector<RpcService*>{legacy_.get(), service.get()});
    REQUIRE(server->start().ok());
    channel = grpc::CreateChannel(server->addresses().front(), grpc::InsecureChannelCredentials());
    stub = v1::AdminService::NewStub(channel);
    loading = status();
    auto opened = Storage::open(fs_, clock, *store_, std::move(options), *progress_);
    INFO(opened.status().ToString());
    REQUIRE(opened.ok());
    storage = *std::move(opened);
    engine_->attach(storage->journal());
    legacy_->start_serving(*storage);
    service->start_serving(*storage);
    engine_->start_serving();
  }
  void end() {
    server->drain(std::chrono::steady_clock::now() + std::chrono::seconds(5), [this] {
      storage->journal().abandon_waiters();
      service->abandon();
    });
    server->close();
    storage.reset();
    server.reset();
  }

  TempDirectory directory_;
  FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<LoadProgress> progress_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<EventThread> events_;
  std::unique_ptr<LegacyService> legacy_;

 public:
  ManualClock clock;
  SlowLog slow_log{clock};
  std::vector<prometheus::MetricFamily> families;  // what GetStats shows
  Reply<v1::GetStatusResponse> loading;            // what GetStatus answered while the data was loaded
  std::unique_ptr<Storage> storage;
  std::unique_ptr<AdminService> service;
  std::unique_ptr<RpcServer> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<Stub> stub;
};

}  // namespace kv
