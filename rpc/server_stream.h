// One call that is answered with a stream of messages, from listening to the last event, as one coroutine: rpc/unary.h
// for streams, and the rules for handlers are the same.
//
// A handler is a callable `Task<absl::Status> handler(ServerStream&, Request&)`: it sends messages with
// `co_await stream.send(message)`, one at a time, and ends with OK or with the error that the caller gets behind them.
//
// Threads:  serve_stream() before the pollers start.
// Lifetime: service and handler's targets outlive the reactor.
// Source:   grpcpp/support/async_stream.h and the "raw" methods of the generated services.
#pragma once

#include <chrono>
#include <string_view>
#include <type_traits>

#include "rpc/stream_call.h"
#include "rpc/unary.h"

namespace kv {

// What a generated WithRawMethod_X<...> calls RequestX.
template <class Service>
using RawStreamMethod = void (Service::*)(grpc::ServerContext*, grpc::ByteBuffer*,
                                          grpc::ServerAsyncWriter<grpc::ByteBuffer>*, grpc::CompletionQueue*,
                                          grpc::ServerCompletionQueue*, void*);

template <class Service, class Handler>
struct StreamRoute {
  Reactor& reactor;
  MethodCounts& counts;
  Service& service;
  RawStreamMethod<Service> next;
  Handler handler;
};

template <class Request, class Service, class Handler>
Detached serve_stream_call(StreamRoute<Service, Handler> route) {
  ServerStream stream(route.reactor);
  const bool accepted = co_await stream.accept(route.service, route.next);
  if (!accepted) co_return;  // The server is stopping.
  serve_stream_call<Request>(route);

  Request request;
  absl::Status status = stream.enter();
  if (status.ok()) status = read_request(stream.bytes(), request, route.handler);
  try {
    if (status.ok()) status = co_await route.handler(stream, request);
  } catch (...) {
    status = incident(route.counts.method());
  }
  route.counts.count(status.raw_code(), std::chrono::steady_clock::now() - stream.accepted_at());
  co_await stream.finish(status);
}

// Listens for the method's calls on this reactor. `method` is "package.Service/Method".
template <class Request, class Service, class Handler>
void serve_stream(Reactor& reactor, std::string_view method, std::type_identity_t<Service>& service,
                  RawStreamMethod<Service> next, Handler handler) {
  MethodCounts& counts = reactor.counts().method(method);
  for (unsigned i = 0; i < reactor.posted_calls_per_method(); ++i) {
    serve_stream_call<Request>(StreamRoute<Service, Handler>{reactor, counts, service, next, handler});
  }
}

}  // namespace kv
