// The client library: calls of the server as tasks, over one or several connections.
//
// A call is a Task: await it in a coroutine, wait() for it, or start() it with a callback (client/wait.h). It begins
// when it is awaited. docs/client-library.md shows all three.
//
// Threads:  any, as many calls at a time as one likes. What follows a call runs on the client's threads.
// Lifetime: the destructor gives up what is under way and returns when all of it has ended, callbacks included; it runs
//           on none of the client's own threads. A task that was never begun may go at any time.
// Errors:   client/attempts.h.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "client/attempts.h"
#include "client/call_options.h"
#include "client/methods.h"
#include "client/request_id.h"
#include "client/server_stream.h"
#include "client/transport.h"
#include "client/unary_call.h"
#include "client/wait.h"

namespace kv {

class Client {
 public:
  explicit Client(const ClientOptions& options) : request_ids_(options.request_ids), transport_(options) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Any unary method (client/methods.h). `metadata` may be null; it outlives the task. A write of kvstore.v1 gets the
  // level of the options, and a request id, unless its message has them already; a write with an id is retried as reads
  // are. An answer that says write.replayed came to a later attempt: it has no entries, of a transaction no results.
  template <class Request, class Response>
  Task<absl::StatusOr<Response>> call(UnaryMethod<Request, Response> method, Request request, CallOptions options = {},
                                      CallMetadata* metadata = nullptr) {
    bool repeatable = false;
    if constexpr (IsWrite<Request>) {
      prepare_write(request, options.durability, request_ids_);
      repeatable = !request.options().request_id().empty();
    }
    return call_unary(transport_, transport_.next_endpoint(), method, std::move(request), std::move(options),
                      repeatable, metadata);
  }

  // A method that answers with a stream; the stream goes before the client.
  template <class Request, class Response>
  ServerStream<Request, Response> stream(StreamMethod<Request, Response> method, Request request,
                                         CallOptions options = {}) {
    return {transport_, transport_.next_endpoint(), method, std::move(request), std::move(options)};
  }

  // The most common ones; the messages above say everything else.
  Task<absl::StatusOr<kvstore::v1::GetResponse>> get(std::string key, CallOptions options = {}) {
    kvstore::v1::GetRequest request;
    request.set_key(std::move(key));
    return call(methods::kGet, std::move(request), std::move(options));
  }
  Task<absl::StatusOr<kvstore::v1::SetResponse>> set(std::string key, std::string value, CallOptions options = {}) {
    kvstore::v1::SetRequest request;
    request.set_key(std::move(key));
    request.set_value(std::move(value));
    return call(methods::kSet, std::move(request), std::move(options));
  }
  Task<absl::StatusOr<kvstore::v1::DeleteResponse>> remove(std::string key, CallOptions options = {}) {
    kvstore::v1::DeleteRequest request;
    request.set_key(std::move(key));
    return call(methods::kDelete, std::move(request), std::move(options));
  }

 private:
  friend class Pipeline;

  const bool request_ids_;
  Transport transport_;
};

}  // namespace kv
