// The old service with handlers that show what the reactor does: Get answers at once, Set parks, Del fails.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "kvstore/kvstore.grpc.pb.h"
#include "parking_lot.h"
#include "rpc/rpc_service.h"
#include "rpc/unary.h"

namespace kv {

// Set by the test while the server's threads call it.
class Hook {
 public:
  void operator=(std::function<void()> then) {
    const std::lock_guard lock(mutex_);
    then_ = std::move(then);
  }
  void operator()() const {
    std::function<void()> then;
    {
      const std::lock_guard lock(mutex_);
      then = then_;
    }
    then();
  }

 private:
  mutable std::mutex mutex_;
  std::function<void()> then_ = [] {};
};

class EchoService final : public RpcService {
 public:
  using Raw = kvstore::KeyValueStore::WithRawMethod_Get<kvstore::KeyValueStore::WithRawMethod_Set<
      kvstore::KeyValueStore::WithRawMethod_Del<kvstore::KeyValueStore::Service>>>;

  grpc::Service& grpc_service() noexcept override { return raw_; }
  void listen(Reactor& reactor) override;

  ParkingLot lot;
  std::atomic<int> handled{0};   // calls that reached a handler
  std::atomic<int> watching{0};  // handlers that wait for the end of their call
  Hook during_get;
  Hook during_set;                                // after it was resumed
  Hook while_told;                                // in the watcher that learns of the end of its call
  std::atomic<bool> forgotten_while_told{false};  // unwatch() came back before the watcher was told
  // What still_wanted() said after the last Set was resumed; "" for OK.
  std::string set_wanted() const;

 private:
  Answer<kvstore::GetResponse> get(Call& call, kvstore::GetRequest& request);
  Task<absl::StatusOr<google::protobuf::Empty>> set(Call& call, kvstore::SetRequest& request);
  // Waits for nothing but the end of the call.
  Task<absl::StatusOr<google::protobuf::Empty>> watch(Call& call);

  Raw raw_;
  mutable std::mutex mutex_;
  std::string set_wanted_;
};

}  // namespace kv
