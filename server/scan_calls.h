// kvstore.v1.KeyValueService.Scan: the keys of a range, in chunks, while everybody else goes on writing.
//
// Hard part: three speeds. The walk through the store runs on the thread for walks, a chunk leaves by the caller's
// reactor when its reader takes it, and under fsync ALWAYS it may have to wait for the disk. Nothing runs ahead: one
// chunk is made, waited for and sent before the next one is begun, so a slow reader holds a chunk and no lock. The
// bytes of a chunk are made on the walks' thread as well: a chunk may have megabytes, and a poller that wrote them
// would hold up every other call of its queue.
//
// Threads:  the handlers run on the reactors' pollers; start_serving() once, before the engine says ready().
// Lifetime: the engine outlives it, it outlives the reactors.
// Errors:   as docs/api/v1.md lists them. OVERLOADED above scans_max scans (server/walk_bound.h).
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include "kvstore/v1/key_value_service.pb.h"
#include "persistence/storage.h"
#include "rpc/server_stream.h"
#include "server/engine.h"

namespace kv {

struct ScanPlan;

class ScanCalls {
 public:
  explicit ScanCalls(Engine& engine) : engine_(engine) {}

  // For serve_stream().
  struct Handler {
    ScanCalls* calls;
    Task<absl::Status> operator()(ServerStream& stream, kvstore::v1::ScanRequest& request) const {
      return calls->scan(stream, request);
    }
  };
  Handler handler() { return {this}; }
  void start_serving(const Storage& storage);

 private:
  class Chunk;

  Task<absl::Status> scan(ServerStream& stream, const kvstore::v1::ScanRequest& request);
  Task<absl::Status> walk_and_send(ServerStream& stream, const ScanPlan& plan, StoreWalk& walk);
  // Resumes on the reactor.
  Task<absl::Status> send(ServerStream& stream, grpc::ByteBuffer chunk, Revision shown);

  Engine& engine_;
  std::uint64_t store_ = 0;  // of tokens
};

}  // namespace kv
