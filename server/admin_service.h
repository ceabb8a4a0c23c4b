// kvstore.v1.AdminService: what the server's storage is doing, and what an operator may ask of it. Turns requests into
// questions to Storage and its answers into messages.
//
// Threads:  the handlers run on the reactors' pollers; start_serving() once, before the engine says ready(). abandon()
//           from any thread.
// Lifetime: the engine outlives it, it outlives the reactors. Storage is used only while the engine serves.
// Errors:   as docs/api/admin.md lists them.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include <prometheus/metric_family.h>

#include "kvstore/v1/admin_service.grpc.pb.h"
#include "rpc/server.h"
#include "rpc/unary.h"
#include "server/admin_config.h"
#include "server/answer_wait.h"
#include "server/big_keys.h"
#include "server/engine.h"
#include "server/slow_log.h"

namespace kv {

// What it shows beside storage.
struct AdminSights {
  const SlowLog* slow_log;                                         // never null, outlives the service
  std::function<std::vector<prometheus::MetricFamily>()> metrics;  // called while the engine serves
};

class AdminService final : public RpcService {
 public:
  AdminService(Engine& engine, FixedConfig fixed, AdminSights sights)
      : engine_(engine), fixed_(std::move(fixed)), sights_(std::move(sights)), big_keys_(engine) {}

  grpc::Service& grpc_service() noexcept override { return service_; }
  void listen(Reactor& reactor) override;
  void start_serving(Storage& storage) noexcept { storage_ = &storage; }
  // A stop waits no longer: calls that wait for storage get SHUTTING_DOWN, those that wait for a level are the
  // journal's.
  void abandon() { parked_.abandon(); }

 private:
  using Stubs = kvstore::v1::AdminService;
  using Looking = Stubs::WithRawMethod_GetStats<
      Stubs::WithRawMethod_ListSlowRequests<Stubs::WithRawMethod_ListBigKeys<Stubs::Service>>>;
  using Raw = Stubs::WithRawMethod_GetStatus<Stubs::WithRawMethod_GetConfig<
      Stubs::WithRawMethod_UpdateConfig<Stubs::WithRawMethod_WaitDurable<Stubs::WithRawMethod_CreateSnapshot<
          Stubs::WithRawMethod_ListSnapshots<Stubs::WithRawMethod_RewriteLog<Looking>>>>>>>;
  template <class Request, class Response>
  struct Handler;
  template <class Response>
  using Later = Task<absl::StatusOr<Response>>;

  template <class Request, class Response>
  void serve(Reactor& reactor, std::string_view name, RawUnaryMethod<Raw> next,
             Answer<Response> (AdminService::*answer)(Call&, const Request&));

  Answer<kvstore::v1::GetStatusResponse> get_status(Call& call, const kvstore::v1::GetStatusRequest& request);
  Answer<kvstore::v1::GetStatsResponse> get_stats(Call& call, const kvstore::v1::GetStatsRequest& request);
  Answer<kvstore::v1::ListSlowRequestsResponse> list_slow_requests(Call& call,
                                                                   const kvstore::v1::ListSlowRequestsRequest& request);
  Answer<kvstore::v1::ListBigKeysResponse> list_big_keys(Call& call, const kvstore::v1::ListBigKeysRequest& request);
  Answer<kvstore::v1::GetConfigResponse> get_config(Call& call, const kvstore::v1::GetConfigRequest& request);
  Answer<kvstore::v1::UpdateConfigResponse> update_config(Call& call, const kvstore::v1::UpdateConfigRequest& request);
  Answer<kvstore::v1::WaitDurableResponse> wait_durable(Call& call, const kvstore::v1::WaitDurableRequest& request);
  Answer<kvstore::v1::CreateSnapshotResponse> create_snapshot(Call& call,
                                                              const kvstore::v1::CreateSnapshotRequest& request);
  Answer<kvstore::v1::ListSnapshotsResponse> list_snapshots(Call& call,
                                                            const kvstore::v1::ListSnapshotsRequest& request);
  Answer<kvstore::v1::RewriteLogResponse> rewrite_log(Call& call, const kvstore::v1::RewriteLogRequest& request);

  Later<kvstore::v1::UpdateConfigResponse> change_settings(Call& call, AskedChange asked, ChangeOptions options);
  Later<kvstore::v1::WaitDurableResponse> wait_until(Call& call, Revision revision, Level level);
  Later<kvstore::v1::CreateSnapshotResponse> wait_for_snapshot(Call& call);
  Later<kvstore::v1::RewriteLogResponse> wait_for_rewrite(Call& call);

  // What refuses a snapshot, or a rewrite, before it begins.
  absl::Status check_files(std::string_view what, bool kept) const;

  Engine& engine_;
  const FixedConfig fixed_;
  const AdminSights sights_;
  BigKeys big_keys_;
  const UnixMillis started_ =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  Storage* storage_ = nullptr;
  ParkedWaits parked_;
  Raw service_;
};

}  // namespace kv
