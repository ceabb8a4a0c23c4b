// The frozen service, kvstore.KeyValueStore: turns requests into operations of the engine and results into answers,
// with what old clients can ask for through metadata. No logic of its own.
//
// Threads:  the handlers run on the reactors' pollers; start_serving() once, before the engine says ready().
// Lifetime: engine and events outlive it, it outlives the reactors. Storage is used only while the engine serves.
// Errors:   as docs/api/legacy.md lists them.
#pragma once

#include <google/protobuf/empty.pb.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "rpc/server.h"
#include "rpc/unary.h"
#include "server/call_options.h"
#include "server/engine.h"
#include "server/event_thread.h"

namespace kv {

class LegacyService final : public RpcService {
 public:
  LegacyService(Engine& engine, EventThread& events, bool config_allowed)
      : engine_(engine), events_(events), config_allowed_(config_allowed) {}

  grpc::Service& grpc_service() noexcept override { return service_; }
  void listen(Reactor& reactor) override;
  void start_serving(Storage& storage) noexcept { storage_ = &storage; }

 private:
  using Stubs = kvstore::KeyValueStore;
  using Raw = Stubs::WithRawMethod_Set<Stubs::WithRawMethod_Get<
      Stubs::WithRawMethod_Del<Stubs::WithRawMethod_Keys<Stubs::WithRawMethod_Config<Stubs::Service>>>>>;
  using Empty = google::protobuf::Empty;
  struct SetHandler;
  struct GetHandler;
  struct DelHandler;
  struct KeysHandler;
  struct ConfigHandler;

  Answer<Empty> set(Call& call, kvstore::SetRequest& request);
  Answer<kvstore::GetResponse> get(Call& call, kvstore::GetRequest& request);
  Answer<kvstore::DelResponse> del(Call& call, kvstore::DelRequest& request);
  Answer<WireMessage> keys(Call& call);
  Answer<kvstore::ConfigResponse> config(Call& call, const kvstore::ConfigRequest& request);

  // LOADING, SHUTTING_DOWN, or what the call's metadata asks for.
  absl::StatusOr<CallOptions> admit(Call& call, bool writes) const;
  Task<absl::StatusOr<Empty>> set_and_wait(Call& call, const kvstore::SetRequest& request, CallOptions options);
  Task<absl::StatusOr<kvstore::GetResponse>> answer_when_readable(Call& call, kvstore::GetResponse response,
                                                                  Revision shown, bool found, CallOptions options);
  Task<absl::StatusOr<kvstore::DelResponse>> del_and_wait(Call& call, const kvstore::DelRequest& request,
                                                          CallOptions options);
  Task<absl::StatusOr<WireMessage>> list_keys(Call& call, CallOptions options);
  Task<absl::StatusOr<kvstore::ConfigResponse>> change_settings(Call& call, SettingsChange change, CallOptions options);

  Engine& engine_;
  EventThread& events_;
  const bool config_allowed_;
  Storage* storage_ = nullptr;
  Raw service_;
};

}  // namespace kv
