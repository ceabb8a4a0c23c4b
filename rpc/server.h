// A gRPC server that knows no keys: it owns the library's server, the reactors and the order in which they begin and
// end. Connections are accepted by an acceptor of ours and handed to the library (rpc/acceptor/acceptor.h says why); it
// stops before anything else does, because the library must not be given a connection once it is being stopped.
//
// Hard part: the end. drain() tells the library and the open streams to stop, waits for the calls to leave,
// and at the deadline asks the owner to complete every call that is still parked. Clients that do not hang up by
// themselves are cut off last (docs/decisions.md, "A call that comes while the server stops"). The library's own stop
// returns when the connections are gone: calls may still be parked then, and even wait in a queue unseen, so the gates
// decide. Only when they are empty, and the owner has silenced whatever else posts to the reactors (timers, the
// journal), may close() shut the queues down.
//
// Threads:  start(), drain(), close() from one thread, never a reactor's; the rest from any.
// Lifetime: services outlive the server. The destructor drains without patience and closes.
// Errors:   an address that cannot be listened on fails start() with UNAVAILABLE naming it, and the server stays
// stopped. Source:   grpc::Server::Shutdown in grpcpp/impl/codegen/server_interface.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "absl/status/status.h"
#include "rpc/acceptor/acceptor.h"
#include "rpc/call_counts.h"
#include "rpc/call_terms.h"
#include "rpc/health.h"
#include "rpc/reactor.h"
#include "rpc/rpc_service.h"

namespace kv {

struct RpcServerOptions {
  std::vector<std::string> listen = {"127.0.0.1:0"};  // HOST:PORT (port 0: any free one) or unix:PATH
  unsigned queues = 0;                                // 0: from the core count
  unsigned threads_per_queue = 1;
  Reactor::Bounds bounds;  // of each queue
  std::size_t message_bytes_max = 8u << 20;
  std::size_t bytes_in_flight_max = 256u << 20;   // of requests and answers that are held; the library: as much again
  std::chrono::milliseconds default_deadline{0};  // of a unary call whose caller set none; 0: none
  std::size_t connections_max = 10000;
  int streams_per_connection_max = 1000;
  // An older connection is told to end: new calls take a new one, those under way have the grace. 0: never.
  std::chrono::milliseconds connection_age_max{0};
  std::chrono::milliseconds connection_age_grace = std::chrono::seconds(30);
  // A client that pings more often, calls or none, is sent away.
  std::chrono::milliseconds ping_interval_min = std::chrono::seconds(10);
  bool reflection = true;
  bool channelz = true;
  SlowCalls* slow_calls = nullptr;  // told of unary calls that took long; outlives the server
};

class RpcServer {
 public:
  RpcServer(RpcServerOptions options, std::vector<RpcService*> services);
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;
  ~RpcServer();

  absl::Status start();

  // The addresses of the options with the ports really bound; for unix: as given. After start().
  const std::vector<std::string>& addresses() const noexcept { return acceptor_.addresses(); }
  AcceptorFigures connections() const { return acceptor_.figures(); }
  std::vector<Reactor*> reactors() const;
  std::vector<MethodTotals> totals() const;
  StageCounts::Totals stage_totals() const;      // of the unary calls
  std::vector<PollerTime> poller_times() const;  // of each queue; after start(), before close()
  std::size_t calls_in_flight() const;
  const ByteBudget& bytes_in_flight() const noexcept { return terms_.bytes; }
  // What the library may hold of messages, those included that are not whole yet, and for connections.
  std::size_t library_bytes_max() const noexcept;

  // The state that grpc.health.v1 tells of a name; a name never set is unknown to it.
  void set_health(const std::string& name, bool serving) { health_.set(name, serving); }

  // No new calls; returns when every call has left. At the deadline `abandon` is called, once, if calls are still
  // there: it must see to it that every parked call completes. What those answer then reaches their callers, unless it
  // takes half a second. Without start(), or the second time, it does nothing.
  void drain(std::chrono::steady_clock::time_point deadline, const std::function<void()>& abandon = {});
  // Drains without patience if nobody did, shuts the queues down and joins the pollers. Nothing may post to a reactor
  // while or after it runs.
  void close();

 private:
  absl::Status build();
  void configure(grpc::ServerBuilder& builder) const;
  void take(int connection);
  // True when every call has left, false when some are still there at `deadline`.
  bool wait_for_calls_until(std::chrono::steady_clock::time_point deadline);

  const RpcServerOptions options_;
  const std::vector<RpcService*> services_;
  HealthService health_;
  CallTerms terms_;
  std::vector<std::unique_ptr<Reactor>> reactors_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections_;
  std::unique_ptr<grpc::Server> server_;
  Acceptor acceptor_;
  bool drained_ = false;
};

}  // namespace kv
