// One unary call, from listening to the last event, as one coroutine: the order below is the order of things.
//
// A handler is a callable `Answer<Response> handler(Call&, Request&)`. It runs on a poller and must not block. When it
// knows the answer at once it returns it (a Response or an absl::Status) and no second coroutine is made; when it has
// to wait it returns a Task, which must resume on call.home(). It may take what it likes out of the request. It is
// copied into every frame: let it be a pointer or two. One that throws has an incident (rpc/incident.h). A handler that
// has a member `absl::Status unparsable(const Request& up_to_the_bad_place)` words that error itself; one with a
// constant kWhenFull says whether it is served even when the server holds as many bytes as it may.
//
// Hard part: a call is listened for again before its handler runs, so a parked handler keeps nobody out; the bound on
// parked calls is the gate's.
//
// Threads:  serve_unary() before the pollers start.
// Lifetime: service and handler's targets outlive the reactor.
// Source:   grpcpp/server_builder.h and the "raw" methods of the generated services.
#pragma once

#include <new>
#include <string_view>
#include <type_traits>
#include <variant>

#include "absl/status/statusor.h"
#include "core/task.h"
#include "rpc/call.h"
#include "rpc/call_counts.h"
#include "rpc/incident.h"
#include "rpc/message.h"

namespace kv {

template <class Response>
using Answer = std::variant<absl::StatusOr<Response>, Task<absl::StatusOr<Response>>>;

// What a generated WithRawMethod_X<...> calls RequestX.
template <class Service>
using RawUnaryMethod = void (Service::*)(grpc::ServerContext*, grpc::ByteBuffer*,
                                         grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>*, grpc::CompletionQueue*,
                                         grpc::ServerCompletionQueue*, void*);

// Where a method lives: what does not change from call to call.
template <class Service, class Handler>
struct UnaryRoute {
  Reactor& reactor;
  MethodCounts& counts;
  Service& service;
  RawUnaryMethod<Service> next;
  Handler handler;
};

template <class Request, class Handler>
absl::Status read_request(grpc::ByteBuffer& bytes, Request& request, Handler& handler) noexcept {
  try {
    if (parse(bytes, request)) return absl::OkStatus();
    if constexpr (requires { handler.unparsable(request); }) {
      return handler.unparsable(request);
    } else {
      return unparsable(request);
    }
  } catch (const std::bad_alloc&) {
    return request_too_large_now();
  }
}

template <class Response>
absl::Status write_answer(const absl::StatusOr<Response>& result, grpc::ByteBuffer& bytes) {
  return result.ok() ? serialize(*result, bytes) : result.status();
}

template <class Handler>
constexpr WhenFull when_full() noexcept {
  if constexpr (requires { Handler::kWhenFull; }) return Handler::kWhenFull;
  return WhenFull::kRefuse;
}

template <class Request, class Response, class Service, class Handler>
Detached serve_call(UnaryRoute<Service, Handler> route) {
  UnaryCall call(route.reactor);
  const bool accepted = co_await call.accept(route.service, route.next);
  if (!accepted) co_return;  // The server is stopping.
  serve_call<Request, Response>(route);

  Request request;
  grpc::ByteBuffer answer;
  absl::Status status = call.enter(when_full<Handler>());
  if (status.ok()) status = read_request(call.bytes(), request, route.handler);
  try {
    if (status.ok()) {
      Answer<Response> result = route.handler(call, request);
      if (auto* task = std::get_if<Task<absl::StatusOr<Response>>>(&result)) {
        call.begin_wait();
        status = write_answer<Response>(co_await *task, answer);
      } else {
        status = write_answer<Response>(*std::get_if<absl::StatusOr<Response>>(&result), answer);
      }
    }
  } catch (...) {
    status = incident(route.counts.method());
  }
  call.handled(route.counts, status, answer);
  co_await call.finish(status, answer);
  call.ended();
}

// Listens for the method's calls on this reactor. `method` is "package.Service/Method".
template <class Request, class Response, class Service, class Handler>
void serve_unary(Reactor& reactor, std::string_view method, std::type_identity_t<Service>& service,
                 RawUnaryMethod<Service> next, Handler handler) {
  MethodCounts& counts = reactor.counts().method(method);
  for (unsigned i = 0; i < reactor.posted_calls_per_method(); ++i) {
    serve_call<Request, Response>(UnaryRoute<Service, Handler>{reactor, counts, service, next, handler});
  }
}

}  // namespace kv
