// MultiGet and DeleteRange of kvstore.v1.KeyValueService: requests to operations on many keys, and back.
//
// Hard part: a consistent MultiGet. To copy many values while all their shards are locked would stop everybody; so they
// are copied one by one first, and then, with all shards locked for reading, only looked at again: what has changed
// meanwhile, which is little, is copied once more there.
//
// Threads:  the handlers run on the reactors' pollers. Lifetime: the engine outlives it, it outlives the reactors.
// Errors:   as docs/api/v1.md lists them.
#pragma once

#include "kvstore/v1/key_value_service.pb.h"
#include "rpc/server_stream.h"
#include "rpc/unary.h"
#include "server/engine.h"
#include "server/many_requests.h"

namespace kv {

class ManyCalls {
 public:
  explicit ManyCalls(Engine& engine) : engine_(engine) {}

  // For serve_stream() and serve_unary().
  struct MultiGet {
    ManyCalls* calls;
    Task<absl::Status> operator()(ServerStream& stream, const WireMessage& request) const {
      return calls->multi_get(stream, request);
    }
  };
  struct DeleteRange {
    ManyCalls* calls;
    Answer<kvstore::v1::DeleteRangeResponse> operator()(Call& call, kvstore::v1::DeleteRangeRequest& request) const {
      return calls->delete_range(call, request);
    }
  };
  MultiGet multi_get_handler() { return {this}; }
  DeleteRange delete_range_handler() { return {this}; }

 private:
  Task<absl::Status> multi_get(ServerStream& stream, const WireMessage& request);
  Task<absl::Status> get_in_chunks(ServerStream& stream, const WantedKeys& wanted);
  Task<absl::Status> get_at_once(ServerStream& stream, const WantedKeys& wanted);
  Task<absl::Status> send(ServerStream& stream, const kvstore::v1::MultiGetResponse& chunk, Revision shown);

  Answer<kvstore::v1::DeleteRangeResponse> delete_range(Call& call, const kvstore::v1::DeleteRangeRequest& request);
  Task<absl::StatusOr<kvstore::v1::DeleteRangeResponse>> delete_and_wait(Call& call, RangeDeletion deletion);

  Engine& engine_;
};

}  // namespace kv
