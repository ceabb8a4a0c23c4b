// ListBigKeys: the keys whose entries take the most memory, found by a walk when somebody asks.
//
// Why a walk and not a list that every write keeps: a list must know what comes next when a big key is deleted, and
// that only the store knows. So the answer is made of what is there, a delete or an expiry before the call never shows,
// and nobody pays while nobody asks. A call looks at every entry once, in turns of 50 us on the thread for walks
// (server/walk_thread.h), some hundred entries under a shard's shared lock at a time.
//
// Threads:  find() on a reactor's poller, resumes on call.home().
// Lifetime: the engine outlives it, it outlives the reactors.
// Errors:   OVERLOADED while another such walk is under way; RESPONSE_TOO_LARGE when the keys alone are more than a
//           message holds; FIELD_INVALID.
#pragma once

#include <atomic>

#include "absl/status/statusor.h"
#include "kvstore/v1/admin_service.pb.h"
#include "rpc/call.h"
#include "server/engine.h"

namespace kv {

class BigKeys {
 public:
  explicit BigKeys(Engine& engine) : engine_(engine) {}

  Task<absl::StatusOr<kvstore::v1::ListBigKeysResponse>> find(Call& call,
                                                              const kvstore::v1::ListBigKeysRequest& request);

 private:
  class Top;
  // From the thread for walks, and resumes on it.
  Task<absl::Status> walk_all(StoreWalk& walk, Top& top, Caller& caller);

  Engine& engine_;
  std::atomic<bool> walking_{false};
};

}  // namespace kv
