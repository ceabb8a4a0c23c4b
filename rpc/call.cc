#include "rpc/call.h"

#include <thread>

#include <grpc/support/time.h>

#include "core/error.h"
#include "rpc/overload.h"
#include "rpc/status.h"

namespace kv {
namespace {

bool passed(gpr_timespec deadline) noexcept {
  if (deadline.tv_sec == gpr_inf_future(deadline.clock_type).tv_sec) return false;  // none: the usual case
  return gpr_time_cmp(gpr_now(deadline.clock_type), deadline) >= 0;
}

}  // namespace

absl::Status Call::still_wanted() noexcept {
  if (passed(context_.raw_deadline())) {
    return error(Reason::kExpiredInQueue, "the deadline passed before the call was applied");
  }
  if (over()) {
    return error(Reason::kCancelledInQueue, "the caller left before the call was applied");
  }
  return absl::OkStatus();
}

Call::Nobody Call::nobody;

bool Call::watch(CallWatcher& watcher) noexcept {
  CallWatcher* none = nullptr;
  return watcher_.compare_exchange_strong(none, &watcher);
}

void Call::unwatch(CallWatcher& watcher) noexcept {
  CallWatcher* mine = &watcher;
  if (watcher_.compare_exchange_strong(mine, nullptr)) return;
  // Another poller is telling it, or has told it.
  while (!watcher_told_.load(std::memory_order_acquire)) std::this_thread::yield();
}

void Call::tell_watcher() noexcept {
  CallWatcher* watcher = watcher_.exchange(&nobody);
  if (watcher == nullptr) return;
  watcher->call_over();
  watcher_told_.store(true, std::memory_order_release);
}

std::optional<std::string_view> Call::metadata(std::string_view name) const {
  const auto& all = context_.client_metadata();
  const auto found = all.find(grpc::string_ref(name.data(), name.size()));
  if (found == all.end()) return std::nullopt;
  return std::string_view(found->second.data(), found->second.size());
}

absl::Status Call::enter(WhenFull when_full) noexcept {
  accepted_at_ = std::chrono::steady_clock::now();
  if (!visit_.enter()) return error(Reason::kOverloaded, "too many calls are being served");
  if (when_full == WhenFull::kRefuse && reactor_.bytes().full()) return bytes_overloaded(reactor_.bytes().bytes_max());
  held_.add(bytes_.Length());
  return still_wanted();
}

void UnaryCall::handled(MethodCounts& counts, const absl::Status& status, const grpc::ByteBuffer& answer) noexcept {
  handled_at_ = std::chrono::steady_clock::now();
  const std::chrono::nanoseconds took = handled_at_ - accepted_at();
  counts.count(status.raw_code(), took);
  StageCounts& stages = reactor_.counts().stages();
  if (queue_wait_.count() != 0) stages.count(CallStage::kQueue, queue_wait_);
  if (disk_wait_.count() != 0) stages.count(CallStage::kDisk, disk_wait_);
  stages.count(CallStage::kExec, took - queue_wait_ - disk_wait_);
  SlowCalls* slow_calls = reactor_.slow_calls();
  if (slow_calls == nullptr || !slow_calls->slow(took)) [[likely]]
    return;
  slow_calls->note({counts.method(), status.raw_code(), context_.peer(), bytes_, status.ok() ? answer.Length() : 0,
                    took, queue_wait_, disk_wait_});
}

void UnaryCall::ended() noexcept {
  reactor_.counts().stages().count(CallStage::kSend, std::chrono::steady_clock::now() - handled_at_);
}

void UnaryCall::Finish::await_suspend(std::coroutine_handle<> waiter) {
  call.resume_at_end(waiter);
  void* tag = static_cast<Completion*>(&call.sent());
  if (status.ok()) {
    call.holds_answer(answer.Length());
    call.writer_.Finish(answer, grpc::Status::OK, tag);
  } else {
    call.writer_.FinishWithError(to_grpc(status), tag);
  }
}

}  // namespace kv
