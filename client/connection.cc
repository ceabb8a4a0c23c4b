#include "client/connection.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include "client/peer_status.h"
#include "core/absl_text.h"
#include "core/error.h"
#include "core/units.h"

namespace kv {
namespace {

using std::chrono::milliseconds;
using WallTime = std::chrono::system_clock::time_point;

constexpr milliseconds kSlice{50};           // How long an interruption may go unseen.
constexpr milliseconds kIdleBeforeLook{20};  // After this long without a call the connection is looked at first.
constexpr milliseconds kLook{5};
constexpr int kAnswerBytesMax = 1 << 30;  // A key list may be large; the server bounds it by its own setting.
constexpr auto kUnbounded = WallTime::max();

absl::Status interruption(std::string_view doubt) {
  return error_of_peer(absl::StatusCode::kCancelled, kInterruptedWord, fmt::format("interrupted{}", doubt));
}

const char* level_word(WriteLevel level) {
  switch (level) {
    case WriteLevel::kDefault:
      return nullptr;
    case WriteLevel::kMemory:
      return "memory";
    case WriteLevel::kOs:
      return "os";
    case WriteLevel::kDisk:
      return "disk";
  }
  return nullptr;
}

std::optional<std::string> trailer(const grpc::ClientContext& context, const char* name) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto found = trailers.find(name);
  if (found == trailers.end()) return std::nullopt;
  return std::string(found->second.data(), found->second.size());
}

std::optional<std::uint64_t> number_trailer(const grpc::ClientContext& context, const char* name) {
  const auto text = trailer(context, name);
  if (!text) return std::nullopt;
  const auto number = parse_number(*text);
  return number.ok() ? std::optional(*number) : std::nullopt;
}

WriteReceipt receipt_of(const grpc::ClientContext& context) {
  return {number_trailer(context, "kvstore-revision"), trailer(context, "kvstore-durability").value_or("")};
}

}  // namespace

struct Connection::Call {
  explicit Call(WriteLevel level = WriteLevel::kDefault) {
    context.AddMetadata("kvstore-want-trailers", "1");
    if (const char* word = level_word(level)) context.AddMetadata("kvstore-durability", word);
  }
  grpc::ClientContext context;
};

Connection::Connection(ConnectionOptions options) : options_(std::move(options)) { open_channel(); }

Connection::~Connection() {
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void Connection::open_channel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kAnswerBytesMax);
  arguments.SetMaxSendMessageSize(-1);
  // A store is reached directly, whatever web proxy the environment names.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A channel opened anew must try anew: with the global pool it would inherit the back-off of the old one.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetUserAgentPrefix("kvstore_client/" KV_VERSION);
  stub_.reset();
  admin_stub_.reset();
  channel_ = grpc::CreateCustomChannel(options_.target, grpc::InsecureChannelCredentials(), arguments);
  stub_ = kvstore::KeyValueStore::NewStub(channel_);
  admin_stub_ = kvstore::v1::AdminService::NewStub(channel_);
}

absl::Status Connection::connect(WallTime deadline) {
  const auto now = [] { return std::chrono::system_clock::now(); };
  if (std::chrono::steady_clock::now() - last_call_ > kIdleBeforeLook) {
    // Nobody polls an idle channel: a server that hung up meanwhile is noticed only by looking.
    channel_->WaitForStateChange(GRPC_CHANNEL_READY, now() + kLook);
  }
  if (channel_->GetState(false) == GRPC_CHANNEL_TRANSIENT_FAILURE) open_channel();
  for (;;) {
    const grpc_connectivity_state state = channel_->GetState(true);
    // A call on a channel that failed tells at once why, which the state does not.
    if (state == GRPC_CHANNEL_READY || state == GRPC_CHANNEL_TRANSIENT_FAILURE) return absl::OkStatus();
    if (interrupted()) return interruption("");
    if (now() >= deadline) {
      return absl::UnavailableError(
          fmt::format("cannot reach {}: no connection within {}", options_.target, format_duration(options_.timeout)));
    }
    channel_->WaitForStateChange(state, std::min(deadline, now() + kSlice));
  }
}

void Connection::wait_for_answer(grpc::ClientContext& context) {
  void* tag = nullptr;
  bool ok = false;
  bool cancelled = false;
  while (queue_.AsyncNext(&tag, &ok, cancelled ? kUnbounded : std::chrono::system_clock::now() + kSlice) ==
         grpc::CompletionQueue::TIMEOUT) {
    if (!interrupted()) continue;
    context.TryCancel();
    cancelled = true;
  }
}

absl::Status Connection::explain(const grpc::Status& status, Effect effect, bool reached) const {
  absl::Status peer = status_of_peer(status);
  if (peer.ok() || !reason_of(peer).empty()) return peer;
  const char* doubt = effect == Effect::kWrite ? "; whether the write took effect is not known" : "";
  if (interrupted()) return interruption(doubt);
  if (peer.code() == absl::StatusCode::kDeadlineExceeded) {
    return absl::DeadlineExceededError(fmt::format("no answer within {}{}", format_duration(options_.timeout), doubt));
  }
  if (peer.code() != absl::StatusCode::kUnavailable) return peer;
  const std::string cause = last_cause(message_of(peer));
  if (!reached) return absl::UnavailableError(fmt::format("cannot reach {}: {}", options_.target, cause));
  return absl::UnavailableError(fmt::format("lost the connection to {}: {}{}", options_.target, cause, doubt));
}

template <class Response, class Start>
absl::Status Connection::call(Effect effect, Call& call, Response& response, Start start) {
  const WallTime deadline = std::chrono::system_clock::now() + options_.timeout;
  if (absl::Status connected = connect(deadline); !connected.ok()) return connected;
  const bool reached = channel_->GetState(false) == GRPC_CHANNEL_READY;
  call.context.set_deadline(deadline);
  grpc::Status status;
  auto reader = start(&call.context);
  reader->Finish(&response, &status, &call);
  wait_for_answer(call.context);
  last_call_ = std::chrono::steady_clock::now();
  return explain(status, effect, reached);
}

absl::StatusOr<WriteReceipt> Connection::set(std::string_view key, std::string_view value) {
  kvstore::SetRequest request;
  request.set_key(std::string(key));
  request.set_value(std::string(value));
  google::protobuf::Empty response;
  Call write(options_.level);
  absl::Status done = call(Effect::kWrite, write, response,
                           [&](grpc::ClientContext* context) { return stub_->AsyncSet(context, request, &queue_); });
  if (!done.ok()) return done;
  return receipt_of(write.context);
}

absl::StatusOr<std::optional<std::string>> Connection::get(std::string_view key) {
  kvstore::GetRequest request;
  request.set_key(std::string(key));
  kvstore::GetResponse response;
  Call read;
  absl::Status done = call(Effect::kRead, read, response,
                           [&](grpc::ClientContext* context) { return stub_->AsyncGet(context, request, &queue_); });
  if (!done.ok()) return done;
  const auto found = trailer(read.context, "kvstore-found");
  const bool missing = response.value().empty() && found.value_or("0") != "1";
  if (missing) return std::optional<std::string>();
  return std::optional(std::move(*response.mutable_value()));
}

absl::StatusOr<Deletion> Connection::remove(std::string_view key) {
  kvstore::DelRequest request;
  request.set_key(std::string(key));
  kvstore::DelResponse response;
  Call write(options_.level);
  absl::Status done = call(Effect::kWrite, write, response,
                           [&](grpc::ClientContext* context) { return stub_->AsyncDel(context, request, &queue_); });
  if (!done.ok()) return done;
  return Deletion{response.success(), receipt_of(write.context)};
}

absl::StatusOr<KeyList> Connection::keys() {
  const kvstore::KeysRequest request;
  kvstore::KeysResponse response;
  Call read;
  absl::Status done = call(Effect::kRead, read, response,
                           [&](grpc::ClientContext* context) { return stub_->AsyncKeys(context, request, &queue_); });
  if (!done.ok()) return done;
  KeyList list;
  list.keys.assign(std::make_move_iterator(response.mutable_keys()->begin()),
                   std::make_move_iterator(response.mutable_keys()->end()));
  list.omitted = number_trailer(read.context, "kvstore-omitted-keys").value_or(0);
  return list;
}

absl::StatusOr<ModeChange> Connection::config(const kvstore::ConfigRequest& request) {
  kvstore::ConfigResponse response;
  Call change;
  absl::Status done = call(Effect::kWrite, change, response,
                           [&](grpc::ClientContext* context) { return stub_->AsyncConfig(context, request, &queue_); });
  if (!done.ok()) return done;
  if (!response.success()) return absl::UnknownError("the server did not take the configuration");
  return ModeChange{!trailer(change.context, "kvstore-transition").has_value()};
}

absl::StatusOr<std::string> Connection::health(std::string_view service) {
  // HealthCheckRequest{string service = 1} and HealthCheckResponse{enum status = 1} have the bytes of these wrappers.
  google::protobuf::StringValue request;
  request.set_value(std::string(service));
  google::protobuf::Int32Value response;
  Call check;
  absl::Status done = call(Effect::kRead, check, response, [&](grpc::ClientContext* context) {
    grpc::TemplatedGenericStub<google::protobuf::StringValue, google::protobuf::Int32Value> stub(channel_);
    auto reader = stub.PrepareUnaryCall(context, "/grpc.health.v1.Health/Check", request, &queue_);
    reader->StartCall();
    return reader;
  });
  if (!done.ok()) return done;
  static constexpr const char* kWords[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  const int status = response.value();
  return std::string(status >= 0 && status < 4 ? kWords[status] : "UNKNOWN");
}

// ---- The admin service ------------------------------------------------------------------------------------------

template <class Request, class Response>
absl::StatusOr<Response> Connection::ask_admin(
    Effect effect, const Request& request,
    std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (AdminStub::*start)(grpc::ClientContext*, const Request&,
                                                                                   grpc::CompletionQueue*)) {
  Response response;
  Call ask;
  absl::Status done = call(effect, ask, response, [&](grpc::ClientContext* context) {
    return ((*admin_stub_).*start)(context, request, &queue_);
  });
  if (!done.ok()) return done;
  return response;
}

absl::StatusOr<kvstore::v1::GetStatusResponse> Connection::status() {
  return ask_admin(Effect::kRead, kvstore::v1::GetStatusRequest(), &AdminStub::AsyncGetStatus);
}

absl::StatusOr<kvstore::v1::GetConfigResponse> Connection::get_config() {
  return ask_admin(Effect::kRead, kvstore::v1::GetConfigRequest(), &AdminStub::AsyncGetConfig);
}

absl::StatusOr<kvstore::v1::UpdateConfigResponse> Connection::update_config(
    const kvstore::v1::UpdateConfigRequest& request) {
  return ask_admin(Effect::kWrite, request, &AdminStub::AsyncUpdateConfig);
}

absl::StatusOr<kvstore::v1::CreateSnapshotResponse> Connection::create_snapshot(bool wait) {
  kvstore::v1::CreateSnapshotRequest request;
  request.set_wait(wait);
  return ask_admin(Effect::kWrite, request, &AdminStub::AsyncCreateSnapshot);
}

absl::StatusOr<kvstore::v1::ListSnapshotsResponse> Connection::list_snapshots() {
  return ask_admin(Effect::kRead, kvstore::v1::ListSnapshotsRequest(), &AdminStub::AsyncListSnapshots);
}

absl::StatusOr<kvstore::v1::RewriteLogResponse> Connection::rewrite_log(bool wait) {
  kvstore::v1::RewriteLogRequest request;
  request.set_wait(wait);
  return ask_admin(Effect::kWrite, request, &AdminStub::AsyncRewriteLog);
}

}  // namespace kv
