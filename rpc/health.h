// grpc.health.v1 on our own reactors.
//
// Why not the library's: it polls with threads of its own, on a queue that then also receives a share of the
// connections; it says SERVING from the moment the port is open, before anything is loaded; and a watch that is open
// keeps it from stopping until the deadline. Here names are unknown until they are set, and a stop ends every watch.
//
// Hard part: a watch sleeps until its name changes, its caller leaves or the server stops, whichever is first, and
// those come from three threads. They meet under the board's lock; who finds the watch parked wakes it, once.
//
// Threads:  set() and stop() from any thread; calls on the pollers.
// Lifetime: outlives the reactors.
// Source:   https://github.com/grpc/grpc/blob/master/doc/health-checking.md, grpc/health/v1/health.proto
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include "rpc/health_message.h"
#include "rpc/rpc_service.h"
#include "rpc/unary.h"

namespace kv {

class HealthWatch;

class HealthService final : public RpcService {
 public:
  void set(const std::string& name, bool serving);
  // Every name says NOT_SERVING from now on; every watch is told so and ended.
  void stop();

  grpc::Service& grpc_service() noexcept override { return methods_; }
  void listen(Reactor& reactor) override;

 private:
  friend class HealthWatch;

  struct Methods final : grpc::Service {
    Methods();
    void request_check(grpc::ServerContext* context, grpc::ByteBuffer* bytes,
                       grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>* writer, grpc::CompletionQueue* call_queue,
                       grpc::ServerCompletionQueue* queue, void* tag);
    void request_watch(grpc::ServerContext* context, grpc::ByteBuffer* bytes,
                       grpc::ServerAsyncWriter<grpc::ByteBuffer>* writer, grpc::CompletionQueue* call_queue,
                       grpc::ServerCompletionQueue* queue, void* tag);
  };

  struct CheckHandler {
    static constexpr WhenFull kWhenFull = WhenFull::kServe;
    const HealthService* board;
    Answer<Health> operator()(Call&, const HealthRequest& request) const { return board->check(request); }
  };
  static Detached serve_watch(Reactor& reactor, HealthService& board);
  Answer<Health> check(const HealthRequest& request) const;
  Health find(const std::string& name) const;  // mutex_ held

  Methods methods_;
  mutable std::mutex mutex_;
  std::map<std::string, Health> names_;  // guarded by mutex_
  std::set<HealthWatch*> watches_;       // guarded by mutex_
  bool stopping_ = false;                // guarded by mutex_
};

}  // namespace kv
