#include "server/admin_service.h"

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "server/admin_status.h"
#include "server/stats_message.h"
#include "server/unknown_fields.h"
#include "server/version.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;

absl::Status refuse_field(std::string_view field, std::string_view why) {
  return error(Reason::kFieldInvalid, fmt::format("{} {}", field, why), {{"field", std::string(field)}});
}

absl::StatusOr<ChangeOptions::Answer> answer_of(v1::TransitionPhase wait_for) {
  switch (wait_for) {
    case v1::TRANSITION_PHASE_UNSPECIFIED:
    case v1::TRANSITION_PHASE_ACCEPTED:
      return ChangeOptions::Answer::kRecorded;
    case v1::TRANSITION_PHASE_ACTIVE:
      return ChangeOptions::Answer::kInForce;
    default:
      return refuse_field("wait_for", "must be ACCEPTED or ACTIVE");
  }
}

absl::StatusOr<Level> level_of(v1::Durability durability, const Journal& journal) {
  switch (durability) {
    case v1::DURABILITY_UNSPECIFIED:
      return journal.default_level();
    case v1::DURABILITY_MEMORY:
      return Level::kMemory;
    case v1::DURABILITY_OS:
      return Level::kOs;
    case v1::DURABILITY_DISK:
      return Level::kDisk;
    case v1::DURABILITY_QUORUM:
      return error(Reason::kDurabilityUnavailable, "this is one server, there is no quorum");
    default:
      return refuse_field("durability", fmt::format("is {}, which is no level", static_cast<int>(durability)));
  }
}

// Ends a wait for a level with the call that asked.
class Leaver final : public CallWatcher {
 public:
  Leaver(Journal& journal, LevelWait& wait) : journal_(journal), wait_(wait) {}
  void call_over() noexcept override { journal_.leave(wait_); }

 private:
  Journal& journal_;
  LevelWait& wait_;
};

v1::UpdateConfigResponse to_response(const AskedChange& asked) {
  v1::UpdateConfigResponse response;
  for (const std::string& warning : asked.warnings) response.add_warnings(warning);
  return response;
}

}  // namespace

// Of every method: LOADING and SHUTTING_DOWN first, then fields that do not exist.
template <class Request, class Response>
struct AdminService::Handler {
  static constexpr WhenFull kWhenFull = WhenFull::kServe;
  AdminService* service;
  Answer<Response> (AdminService::*answer)(Call&, const Request&);

  Answer<Response> operator()(Call& call, Request& request) const {
    if (const absl::Status ready = service->engine_.ready(); !ready.ok()) return absl::StatusOr<Response>(ready);
    if (const absl::Status known = refuse_unknown_fields(request); !known.ok()) return absl::StatusOr<Response>(known);
    return (service->*answer)(call, request);
  }
};

template <class Request, class Response>
void AdminService::serve(Reactor& reactor, std::string_view name, RawUnaryMethod<Raw> next,
                         Answer<Response> (AdminService::*answer)(Call&, const Request&)) {
  serve_unary<Request, Response, Raw>(reactor, fmt::format("{}/{}", Stubs::service_full_name(), name), service_, next,
                                      Handler<Request, Response>{this, answer});
}

void AdminService::listen(Reactor& reactor) {
  serve(reactor, "GetStatus", &Raw::RequestGetStatus, &AdminService::get_status);
  serve(reactor, "GetConfig", &Raw::RequestGetConfig, &AdminService::get_config);
  serve(reactor, "UpdateConfig", &Raw::RequestUpdateConfig, &AdminService::update_config);
  serve(reactor, "WaitDurable", &Raw::RequestWaitDurable, &AdminService::wait_durable);
  serve(reactor, "CreateSnapshot", &Raw::RequestCreateSnapshot, &AdminService::create_snapshot);
  serve(reactor, "ListSnapshots", &Raw::RequestListSnapshots, &AdminService::list_snapshots);
  serve(reactor, "RewriteLog", &Raw::RequestRewriteLog, &AdminService::rewrite_log);
  serve(reactor, "GetStats", &Raw::RequestGetStats, &AdminService::get_stats);
  serve(reactor, "ListSlowRequests", &Raw::RequestListSlowRequests, &AdminService::list_slow_requests);
  serve(reactor, "ListBigKeys", &Raw::RequestListBigKeys, &AdminService::list_big_keys);
}

// ---- Looking ----------------------------------------------------------------------------------------------------

Answer<v1::GetStatusResponse> AdminService::get_status(Call&, const v1::GetStatusRequest&) {
  v1::GetStatusResponse response = to_message(storage_->status(), storage_->recovery());
  if (engine_.memory().alarmed()) {
    response.add_alarms("MEMORY_LIMIT");
    response.set_accepting_writes(false);
  }
  response.set_version(kVersion);
  response.set_instance_id(storage_->instance_id());
  *response.mutable_start_time() = to_time_message(started_);
  return absl::StatusOr<v1::GetStatusResponse>(std::move(response));
}

Answer<v1::GetConfigResponse> AdminService::get_config(Call&, const v1::GetConfigRequest&) {
  const SettingsInForce in_force = storage_->settings_in_force();
  v1::GetConfigResponse response;
  *response.mutable_config() = config_message_of(in_force.settings, fixed_);
  response.set_config_version(in_force.version);
  for (const v1::ConfigFieldInfo& info : field_infos_of(in_force, fixed_)) *response.add_fields() = info;
  return absl::StatusOr<v1::GetConfigResponse>(std::move(response));
}

Answer<v1::ListSnapshotsResponse> AdminService::list_snapshots(Call&, const v1::ListSnapshotsRequest&) {
  v1::ListSnapshotsResponse response;
  for (const StoredSnapshot& snapshot : storage_->snapshots()) *response.add_snapshots() = to_message(snapshot);
  return absl::StatusOr<v1::ListSnapshotsResponse>(std::move(response));
}

Answer<v1::GetStatsResponse> AdminService::get_stats(Call&, const v1::GetStatsRequest&) {
  return absl::StatusOr<v1::GetStatsResponse>(stats_message_of(sights_.metrics()));
}

Answer<v1::ListSlowRequestsResponse> AdminService::list_slow_requests(Call&,
                                                                      const v1::ListSlowRequestsRequest& request) {
  v1::ListSlowRequestsResponse response;
  for (v1::SlowRequest& slow : sights_.slow_log->newest(request.limit())) *response.add_requests() = std::move(slow);
  return absl::StatusOr<v1::ListSlowRequestsResponse>(std::move(response));
}

Answer<v1::ListBigKeysResponse> AdminService::list_big_keys(Call& call, const v1::ListBigKeysRequest& request) {
  return big_keys_.find(call, request);
}

// ---- Changing settings ------------------------------------------------------------------------------------------

Answer<v1::UpdateConfigResponse> AdminService::update_config(Call& call, const v1::UpdateConfigRequest& request) {
  using Result = absl::StatusOr<v1::UpdateConfigResponse>;
  const auto answer = answer_of(request.wait_for());
  if (!answer.ok()) return Result(answer.status());
  const SettingsInForce in_force = storage_->settings_in_force();
  const std::uint64_t expected = request.expected_config_version();
  if (expected != 0 && expected != in_force.version) {
    return Result(error(Reason::kConfigVersionMismatch,
                        fmt::format("the settings are at version {}, not {}", in_force.version, expected),
                        {{"config_version", std::to_string(in_force.version)}}));
  }
  absl::StatusOr<AskedChange> asked = asked_change_of(request, in_force.settings, fixed_);
  if (!asked.ok()) return Result(asked.status());
  if (request.validate_only()) {
    v1::UpdateConfigResponse response = to_response(*asked);
    *response.mutable_config() = config_message_of(asked->target, fixed_);
    response.set_config_version(in_force.version);
    return Result(std::move(response));
  }
  if (const absl::Status wanted = call.still_wanted(); !wanted.ok()) return Result(wanted);
  ChangeOptions options;
  options.answer = *answer;
  options.queue_behind_switch = false;
  options.expected_version = expected;
  options.snapshot_first = request.snapshot_before_disabling();
  return change_settings(call, *std::move(asked), options);
}

// Resumes where it was called.
Task<absl::StatusOr<v1::UpdateConfigResponse>> AdminService::change_settings(Call& call, AskedChange asked,
                                                                             ChangeOptions options) {
  const auto ask = [this, change = asked.change, options](std::function<void(absl::Status)> tell) {
    storage_->change_settings(change, options, std::move(tell));
  };
  AnswerWait<absl::Status> done(call, parked_, ask);
  const absl::Status changed = co_await done;
  if (!changed.ok()) co_return changed;
  v1::UpdateConfigResponse response = to_response(asked);
  const SettingsInForce in_force = storage_->settings_in_force();
  *response.mutable_config() = config_message_of(in_force.settings, fixed_);
  response.set_config_version(in_force.version);
  const StorageStatus status = storage_->status();
  if (asked.change.mode && status.phase != SwitchPhase::kNone) *response.mutable_transition() = transition_of(status);
  co_return response;
}

// ---- Waiting for a level ----------------------------------------------------------------------------------------

Answer<v1::WaitDurableResponse> AdminService::wait_durable(Call& call, const v1::WaitDurableRequest& request) {
  using Result = absl::StatusOr<v1::WaitDurableResponse>;
  const Journal& journal = storage_->journal();
  const absl::StatusOr<Level> level = level_of(request.durability(), journal);
  if (!level.ok()) return Result(level.status());
  if (request.durability() != v1::DURABILITY_UNSPECIFIED) {
    if (const absl::Status given = journal.check_level(*level); !given.ok()) return Result(given);
  }
  const Revision applied = journal.applied();
  if (request.revision() > applied) {
    return Result(
        error(Reason::kRevisionInFuture,
              fmt::format("revision {} has not been given to any write, {} is the last", request.revision(), applied),
              {{"revision", std::to_string(applied)}}));
  }
  return wait_until(call, request.revision() == 0 ? applied : request.revision(), *level);
}

// Resumes where it was called.
Task<absl::StatusOr<v1::WaitDurableResponse>> AdminService::wait_until(Call& call, Revision revision, Level level) {
  Journal& journal = storage_->journal();
  LevelWait wait = journal.wait_reached(revision, level, call.home());
  Leaver leaver(journal, wait);
  const bool watching = call.watch(leaver);
  if (!watching) journal.leave(wait);
  const absl::Status reached = co_await wait;
  if (watching) call.unwatch(leaver);
  if (!reached.ok()) {
    const absl::Status wanted = call.still_wanted();
    co_return wanted.ok() ? reached : wanted;
  }
  v1::WaitDurableResponse response;
  response.set_revision(revision);
  co_return response;
}

// ---- Snapshots --------------------------------------------------------------------------------------------------

absl::Status AdminService::check_files(std::string_view what, bool kept) const {
  if (!kept) {
    return error(Reason::kDurabilityUnavailable,
                 fmt::format("{} mode keeps no {}", word(storage_->status().settings.mode), what));
  }
  const absl::Status failed = storage_->journal().failure();
  if (failed.ok()) return failed;
  return error(Reason::kWritesSuspended,
               fmt::format("the disk failed ({}), nothing is written until a restart", message_of(failed)));
}

Answer<v1::CreateSnapshotResponse> AdminService::create_snapshot(Call& call, const v1::CreateSnapshotRequest& request) {
  using Result = absl::StatusOr<v1::CreateSnapshotResponse>;
  const bool kept = storage_->status().settings.mode != Mode::kNonPersistent;
  if (const absl::Status checked = check_files("snapshots", kept); !checked.ok()) return Result(checked);
  if (const absl::Status wanted = call.still_wanted(); !wanted.ok()) return Result(wanted);
  if (request.wait()) return wait_for_snapshot(call);
  storage_->snapshot_now({});  // The status and the log tell how it ends.
  return Result(v1::CreateSnapshotResponse());
}

// Resumes where it was called.
Task<absl::StatusOr<v1::CreateSnapshotResponse>> AdminService::wait_for_snapshot(Call& call) {
  using Taken = absl::StatusOr<StoredSnapshot>;
  const auto ask = [this](std::function<void(Taken)> tell) { storage_->snapshot_now(std::move(tell)); };
  AnswerWait<Taken> done(call, parked_, ask);
  const Taken taken = co_await done;
  if (!taken.ok()) co_return taken.status();
  v1::CreateSnapshotResponse response;
  *response.mutable_snapshot() = to_message(*taken);
  co_return response;
}

Answer<v1::RewriteLogResponse> AdminService::rewrite_log(Call& call, const v1::RewriteLogRequest& request) {
  using Result = absl::StatusOr<v1::RewriteLogResponse>;
  const StorageStatus status = storage_->status();
  if (const absl::Status checked = check_files("log", has_log(status.settings.mode)); !checked.ok()) {
    return Result(checked);
  }
  if (const absl::Status wanted = call.still_wanted(); !wanted.ok()) return Result(wanted);
  if (request.wait()) return wait_for_rewrite(call);
  storage_->rewrite_log({});  // As above.
  v1::RewriteLogResponse response;
  response.set_bytes_before(status.log_bytes);
  return Result(std::move(response));
}

// Resumes where it was called.
Task<absl::StatusOr<v1::RewriteLogResponse>> AdminService::wait_for_rewrite(Call& call) {
  using Rewritten = absl::StatusOr<LogRewrite>;
  const auto ask = [this](std::function<void(Rewritten)> tell) { storage_->rewrite_log(std::move(tell)); };
  AnswerWait<Rewritten> done(call, parked_, ask);
  const Rewritten rewritten = co_await done;
  if (!rewritten.ok()) co_return rewritten.status();
  v1::RewriteLogResponse response;
  response.set_bytes_before(rewritten->bytes_before);
  response.set_bytes_after(rewritten->bytes_after);
  co_return response;
}

}  // namespace kv
