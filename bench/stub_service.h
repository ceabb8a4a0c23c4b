// A server whose latencies are known because they are programmed: it stalls at set times, or takes a set time for each
// call, or refuses some. What the load generator is tested against.
//
// Hard part: a stall must be one. The handler blocks the only poller, so calls pile up in the connection as they do
// when a real server is held up, and nothing of the load generator could know.
//
// Threads: configured before it serves; the handlers run on one poller.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "rpc/rpc_service.h"
#include "rpc/unary.h"

namespace kv {

struct StubBehaviour {
  // Stalls: every `period`, counted from `begin`, nothing is answered for the first `pause`. None: no stalls.
  std::chrono::steady_clock::time_point begin{};
  std::chrono::nanoseconds period{0};
  std::chrono::nanoseconds pause{0};
  std::chrono::nanoseconds work{0};  // for each call, one after the other
  std::uint64_t refuse_every = 0;    // this many answers one is an error; 0: none
};

class StubService final : public RpcService {
 public:
  explicit StubService(const StubBehaviour& behaviour) : behaviour_(behaviour) {}

  grpc::Service& grpc_service() noexcept override { return raw_; }
  void listen(Reactor& reactor) override;

 private:
  using Raw = kvstore::v1::KeyValueService::WithRawMethod_Get<
      kvstore::v1::KeyValueService::WithRawMethod_Set<kvstore::v1::KeyValueService::Service>>;

  absl::Status behave();

  const StubBehaviour behaviour_;
  std::uint64_t calls_ = 0;
  Raw raw_;
};

}  // namespace kv
