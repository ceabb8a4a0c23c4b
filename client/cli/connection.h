// The server as the commands see it: one call at a time, given up when a person interrupts it.
//
// It sits on the library (client/client.h) and adds what is the command line's own: the timeout and level of every
// call, the interruption, and what the old service can only say beside its messages. set, get and del are calls of
// kvstore.v1, which takes any bytes as a key; of a server that has only the old service they are its calls, from the
// first UNIMPLEMENTED on.
//
// Threads:  one at a time. Lifetime: no thread of ours outlives the object.
// Errors:   client/attempts.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/client.h"
#include "client/pipeline.h"

namespace kv {

// "memory", "os", "disk"; empty for none of them.
std::string_view level_word(kvstore::v1::Durability level);

struct ConnectionOptions {
  std::string target;                                                   // As parse_target() returns it.
  std::chrono::milliseconds timeout{5000};                              // Of one call, connecting included.
  kvstore::v1::Durability level = kvstore::v1::DURABILITY_UNSPECIFIED;  // Of every write.
  std::function<bool()> interrupted = {};  // Asked a few times a second while a call waits; may be empty.
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

  absl::StatusOr<WriteReceipt> set(std::string_view key, std::string_view value);
  // Absent: no such key. The original server cannot tell a missing value from an empty one: then empty means missing,
  // as it did to the original client.
  absl::StatusOr<std::optional<std::string>> get(std::string_view key);
  absl::StatusOr<Deletion> remove(std::string_view key);
  absl::StatusOr<KeyList> keys();
  absl::StatusOr<ModeChange> config(const kvstore::ConfigRequest& request);
  // "SERVING", "NOT_SERVING", "UNKNOWN" or "SERVICE_UNKNOWN" of grpc.health.v1; NOT_FOUND for a name it does not know.
  absl::StatusOr<std::string> health(std::string_view service);

  // In the order of the keys; as many calls as they need.
  absl::StatusOr<std::vector<kvstore::v1::GetResponse>> multi_get(std::span<const std::string> keys);
  // Calls visit(chunk) of each chunk, until it gives false.
  absl::Status scan(kvstore::v1::ScanRequest request,
                    const std::function<bool(const kvstore::v1::ScanResponse&)>& visit);

  // Any unary method, message for message: connection.ask(methods::kGetStatus, {}).
  template <class Request, class Response>
  absl::StatusOr<Response> ask(UnaryMethod<Request, Response> method,
                               typename UnaryMethod<Request, Response>::Request request,
                               CallMetadata* metadata = nullptr) {
    std::stop_source stop;
    return interruptible(client_.call(method, std::move(request), call_options(stop), metadata), stop);
  }

  // Up to `limit` keys that begin with the prefix; nothing when that takes longer than a person waits for a Tab.
  std::optional<std::vector<std::string>> find_keys(const std::string& prefix, std::size_t limit);
  // For many operations that may be done twice, with the timeout and level of every call. It goes before this object.
  std::unique_ptr<Pipeline> open_pipeline(std::stop_token stop);
  bool interrupted() const { return options_.interrupted && options_.interrupted(); }

  const std::string& target() const { return options_.target; }

 private:
  // Asks in the new service, or in the old one where there is no other.
  template <class Ask, class AskOld>
  auto ask_either(Ask ask_new, AskOld ask_old) -> decltype(ask_new()) {
    if (!old_server_) {
      auto answer = ask_new();
      if (!absl::IsUnimplemented(answer.status())) return answer;
      old_server_ = true;
    }
    return ask_old();
  }
  absl::StatusOr<WriteReceipt> old_set(std::string_view key, std::string_view value);
  absl::StatusOr<std::optional<std::string>> old_get(std::string_view key);
  absl::StatusOr<Deletion> old_remove(std::string_view key);

  template <class Request, class Response, class Visit>
  absl::Status read_stream(StreamMethod<Request, Response> method, Request request, Visit visit) {
    std::stop_source stop;
    return read_stream(method, std::move(request), call_options(stop), stop, std::move(visit));
  }
  template <class Request, class Response, class Visit>
  absl::Status read_stream(StreamMethod<Request, Response> method, Request request, CallOptions options,
                           std::stop_source& stop, Visit visit) {
    auto stream = client_.stream(method, std::move(request), std::move(options));
    for (;;) {
      const auto chunk = interruptible(stream.next(), stop);
      if (!chunk.ok()) return chunk.status();
      if (!*chunk || !visit(**chunk)) return absl::OkStatus();
    }
  }

  CallOptions call_options(const std::stop_source& stop) const;
  CallMetadata write_metadata() const;
  template <class T>
  T interruptible(Task<T> task, std::stop_source& stop) {
    constexpr std::chrono::milliseconds kSlice{50};  // How long an interruption may go unseen.
    Awaited<T> answer;
    start(std::move(task), [&answer](T value) { answer.set(std::move(value)); });
    while (!answer.there_within(kSlice)) {
      if (interrupted()) stop.request_stop();
    }
    return answer.take();
  }

  const ConnectionOptions options_;
  Client client_;
  bool old_server_ = false;
};

}  // namespace kv
