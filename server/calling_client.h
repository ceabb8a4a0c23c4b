// A call as the engine sees whoever asks.
// Lifetime: the call outlives it.
#pragma once

#include "rpc/call.h"
#include "rpc/overload.h"
#include "server/engine.h"

namespace kv {

class CallingClient final : public Caller {
 public:
  explicit CallingClient(Call& call) : call_(call) {}
  Scheduler& home() noexcept override { return call_.home(); }
  absl::Status still_wanted() noexcept override { return call_.still_wanted(); }
  // As for a new call: what was let in below the bound may pass it.
  absl::Status holds(std::size_t bytes) noexcept override {
    const ByteBudget& budget = call_.home().bytes();
    if (budget.full()) return bytes_overloaded(budget.bytes_max());
    call_.holds_answer(bytes);
    return absl::OkStatus();
  }

 private:
  Call& call_;
};

// Where the time of its operation went.
inline void note_waits(Call& call, const StageTimes& times) noexcept {
  call.waited(CallStage::kQueue, times.admission);
  call.waited(CallStage::kDisk, times.durability);
}

}  // namespace kv
