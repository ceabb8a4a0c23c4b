#include "rpc/call.h"

#include <algorithm>
#include <cstdint>
#include <thread>

#include <grpc/support/time.h>

#include "core/error.h"
#include "rpc/overload.h"
#include "rpc/status.h"
#include "rpc/unpacked_message.h"

namespace kv {
namespace {

// The usual case.
bool is_none(gpr_timespec deadline) noexcept { return deadline.tv_sec == gpr_inf_future(deadline.clock_type).tv_sec; }

bool passed(gpr_timespec deadline) noexcept {
  if (is_none(deadline)) return false;
  return gpr_time_cmp(gpr_now(deadline.clock_type), deadline) >= 0;
}

bool passed(std::chrono::steady_clock::time_point deadline) noexcept {
  if (deadline == std::chrono::steady_clock::time_point::max()) return false;
  return std::chrono::steady_clock::now() >= deadline;
}

absl::Status own_deadline_passed() {
  return absl::DeadlineExceededError("the server's own deadline passed; the outcome is unknown");
}

}  // namespace

absl::Status Call::still_wanted() noexcept {
  if (passed(context_.raw_deadline()) || passed(own_deadline_)) {
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
  // Another one may be telling it at this moment: only that one knows when it has been told.
  if (watcher == nullptr || watcher == &nobody) return;
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
  if (!visit_.enter()) return overloaded("too many calls are being served", 0, kCallsPass);
  // What a packed message becomes is in no quota of the library: the budget alone bounds it, so it serves none then.
  const bool may_wait = when_full == WhenFull::kRefuse || is_packed(bytes_);
  if (may_wait && reactor_.bytes().full()) return bytes_overloaded(reactor_.bytes().bytes_max());
  absl::Status status = still_wanted();
  if (status.ok()) status = unpack(bytes_, reactor_.message_bytes_max());
  held_.add(bytes_.Length());
  return status;
}

absl::Status UnaryCall::enter(WhenFull when_full) noexcept {
  const absl::Status entered = Call::enter(when_full);
  const std::chrono::milliseconds own = reactor_.default_deadline();
  if (own.count() != 0 && is_none(context_.raw_deadline())) own_deadline_ = accepted_at() + own;
  return entered;
}

// From here to the end there is one event more, and the coroutine itself counts as another: the timer may have answered
// long before it comes to its end.
void UnaryCall::begin_wait() {
  if (own_deadline_ == kNever) return;
  timer_.emplace();  // First: whatever counts from here on, comes.
  expect_one_more();
  expect_one_more();
  const auto left = std::chrono::nanoseconds(own_deadline_ - std::chrono::steady_clock::now()).count();
  const gpr_timespec deadline =
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(std::max<std::int64_t>(left, 0), GPR_TIMESPAN));
  timer_->Set(reactor_.queue(), deadline, static_cast<Completion*>(&expiry_));
}

void UnaryCall::expire(bool passed) noexcept {
  if (passed) {
    expired_at_ = std::chrono::steady_clock::now();
    if (claim_answer()) {
      const std::lock_guard lock(trailers_mutex_);
      writer_.FinishWithError(to_grpc(own_deadline_passed()), static_cast<Completion*>(&sent()));
    }
    tell_watcher();
  }
  arrive();
}

void UnaryCall::handled(MethodCounts& counts, const absl::Status& status, const grpc::ByteBuffer& answer) noexcept {
  answered_late_ = timer_.has_value() && !claim_answer();
  handled_at_ = answered_late_ ? expired_at_ : std::chrono::steady_clock::now();
  const std::chrono::nanoseconds took = handled_at_ - accepted_at();
  if (answered_late_) {  // A handler that nobody hears has waited on; these are parts of what its caller has seen.
    queue_wait_ = std::min(queue_wait_, took);
    disk_wait_ = std::min(disk_wait_, took - queue_wait_);
  }
  const int code = answered_late_ ? static_cast<int>(absl::StatusCode::kDeadlineExceeded) : status.raw_code();
  counts.count(code, took);
  StageCounts& stages = reactor_.counts().stages();
  if (queue_wait_.count() != 0) stages.count(CallStage::kQueue, queue_wait_);
  if (disk_wait_.count() != 0) stages.count(CallStage::kDisk, disk_wait_);
  stages.count(CallStage::kExec, took - queue_wait_ - disk_wait_);
  SlowCalls* slow_calls = reactor_.slow_calls();
  if (slow_calls == nullptr || !slow_calls->slow(took)) [[likely]]
    return;
  const std::size_t answer_bytes = status.ok() && !answered_late_ ? answer.Length() : 0;
  slow_calls->note({counts.method(), code, context_.peer(), bytes_, answer_bytes, took, queue_wait_, disk_wait_});
}

void UnaryCall::ended() noexcept {
  reactor_.counts().stages().count(CallStage::kSend, std::chrono::steady_clock::now() - handled_at_);
}

void UnaryCall::Finish::await_suspend(std::coroutine_handle<> waiter) {
  UnaryCall& all = call;  // this object lies in the coroutine, which goes with the last event
  const bool timed = all.timer_.has_value();
  all.resume_at_end(waiter);
  if (timed) all.timer_->Cancel();
  if (!all.answered_late_) {
    void* tag = static_cast<Completion*>(&all.sent());
    if (status.ok()) {
      all.holds_answer(answer.Length());
      all.writer_.Finish(answer, grpc::Status::OK, tag);
    } else {
      all.writer_.FinishWithError(to_grpc(status), tag);
    }
  }
  if (timed) all.arrive();
}

}  // namespace kv
