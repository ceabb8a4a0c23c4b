// The client library: one call of the server is one call here.
//
// Hard part: a server that is away, hangs, or went away and came back. A call first sees to the connection and then
// asks, both within one timeout, so that "cannot reach HOST:PORT" and "no answer" are never confused and nothing hangs.
// After an outage the next call tries again at once, whatever gRPC's back-off thinks. Nothing is retried behind the
// caller's back: a write whose connection broke says that its outcome is not known.
//
// Threads:  one thread at a time; a Connection for each thread otherwise (they share nothing).
// Lifetime: the channel closes with the object; no thread of ours outlives a call.
// Errors:   absl::Status with the server's code, message and reason word (core/error.h). UNAVAILABLE without a reason
//           word: the server was not reached, or the connection broke. CANCELLED with INTERRUPTED: `interrupted` said
//           so.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>

#include "absl/status/statusor.h"
#include "kvstore/kvstore.grpc.pb.h"
#include "kvstore/v1/admin_service.grpc.pb.h"

namespace kv {

// The reason word of a call that was given up because ConnectionOptions::interrupted said so.
inline constexpr std::string_view kInterruptedWord = "INTERRUPTED";

// How safe a write must be before it is answered; kDefault is what the server's mode and fsync policy give.
enum class WriteLevel { kDefault, kMemory, kOs, kDisk };

struct ConnectionOptions {
  std::string target;                       // As parse_target() returns it.
  std::chrono::milliseconds timeout{5000};  // Of one call, connecting included.
  WriteLevel level = WriteLevel::kDefault;  // Of every write.
  std::function<bool()> interrupted = {};   // Asked a few times a second while a call waits; may be empty.
};

// What the server told about a write beside its answer; empty from servers that do not tell.
struct WriteReceipt {
  std::optional<std::uint64_t> revision;
  std::string level;
};

struct Deletion {
  bool existed = false;
  WriteReceipt receipt;
};

struct KeyList {
  std::vector<std::string> keys;  // In the server's order, which means nothing.
  std::uint64_t omitted = 0;      // Keys that are not UTF-8: the old service cannot carry them.
};

// The mode that was asked for is recorded in any case; false: the switch goes on after the answer.
struct ModeChange {
  bool complete = true;
};

class Connection {
 public:
  explicit Connection(ConnectionOptions options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  absl::StatusOr<WriteReceipt> set(std::string_view key, std::string_view value);
  // Absent: no such key. A server that does not send `kvstore-found` cannot tell a missing value from an empty one:
  // then empty means missing, as it did to the original client.
  absl::StatusOr<std::optional<std::string>> get(std::string_view key);
  absl::StatusOr<Deletion> remove(std::string_view key);
  absl::StatusOr<KeyList> keys();
  absl::StatusOr<ModeChange> config(const kvstore::ConfigRequest& request);
  // "SERVING", "NOT_SERVING", "UNKNOWN" or "SERVICE_UNKNOWN" of grpc.health.v1; NOT_FOUND for a name it does not know.
  absl::StatusOr<std::string> health(std::string_view service);

  // kvstore.v1.AdminService, message for message. A server without it answers UNIMPLEMENTED.
  absl::StatusOr<kvstore::v1::GetStatusResponse> status();
  absl::StatusOr<kvstore::v1::GetConfigResponse> get_config();
  absl::StatusOr<kvstore::v1::UpdateConfigResponse> update_config(const kvstore::v1::UpdateConfigRequest& request);
  // `wait`: until the snapshot is published. Without it the answer is empty.
  absl::StatusOr<kvstore::v1::CreateSnapshotResponse> create_snapshot(bool wait);
  absl::StatusOr<kvstore::v1::ListSnapshotsResponse> list_snapshots();
  absl::StatusOr<kvstore::v1::RewriteLogResponse> rewrite_log(bool wait);

  const std::string& target() const { return options_.target; }

 private:
  enum class Effect { kRead, kWrite };
  struct Call;

  using AdminStub = kvstore::v1::AdminService::Stub;
  template <class Request, class Response>
  absl::StatusOr<Response> ask_admin(Effect effect, const Request& request,
                                     std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (AdminStub::*start)(
                                         grpc::ClientContext*, const Request&, grpc::CompletionQueue*));
  template <class Response, class Start>
  absl::Status call(Effect effect, Call& call, Response& response, Start start);
  absl::Status connect(std::chrono::system_clock::time_point deadline);
  void wait_for_answer(grpc::ClientContext& context);
  absl::Status explain(const grpc::Status& status, Effect effect, bool reached) const;
  bool interrupted() const { return options_.interrupted && options_.interrupted(); }
  void open_channel();

  const ConnectionOptions options_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<kvstore::KeyValueStore::Stub> stub_;
  std::unique_ptr<AdminStub> admin_stub_;
  grpc::CompletionQueue queue_;  // Holds at most the one call that is under way.
  std::chrono::steady_clock::time_point last_call_{};
};

}  // namespace kv
