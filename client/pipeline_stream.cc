#include "client/pipeline_stream.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "client/answer_bound.h"
#include "client/peer_status.h"
#include "client/unary_call.h"
#include "core/error.h"
#include "core/units.h"

namespace kv {
namespace {

constexpr const char* kPath = "/kvstore.v1.KeyValueService/Pipeline";

// Said before anything of what was not answered is looked at.
bool refused_before(const absl::Status& status) {
  using enum absl::StatusCode;
  return has_reason(status, Reason::kLoading) || has_reason(status, Reason::kShuttingDown) ||
         has_reason(status, Reason::kOverloaded) || status.code() == kUnimplemented ||
         status.code() == kPermissionDenied || status.code() == kUnauthenticated;
}

}  // namespace

PipelineStream::PipelineStream(Transport& transport, PipelineOptions options)
    : transport_(transport),
      visit_(transport),
      endpoint_(transport.next_endpoint()),
      options_(std::move(options)),
      pending_(options_) {
  if (!visit_.entered()) return;
  on_stop_.emplace(options_.call.stop, GiveUp{*this});
  on_closing_.emplace(transport_.closing(), GiveUp{*this});
  run();
}

PipelineStream::~PipelineStream() {
  if (!visit_.entered()) return;
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
  }
  give_up();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ended_; });
}

// ---- From any thread --------------------------------------------------------------------------------------------

bool PipelineStream::try_submit(PendingOperations::Submission& submission) {
  if (!visit_.entered()) {
    Pipeline::Callback done = std::move(submission.done);
    done(absl::CancelledError("the client is closing"));
    return true;
  }
  Completion* writer = nullptr;
  if (!pending_.add(submission, PendingOperations::Clock::now(), writer)) return false;
  wake(writer);
  return true;
}

// Through the queue, to its thread. Who has taken the sleeper sets the alarm, and the next one can be taken only when
// it has gone off: it is never set twice.
void PipelineStream::wake(Completion* writer) {
  if (writer != nullptr) wake_alarm_.Set(endpoint_.queue().queue(), std::chrono::system_clock::now(), writer);
}

void PipelineStream::give_up() {
  giving_up_.request_stop();  // The stream that stands is cancelled by it.
  {
    const std::scoped_lock lock(mutex_);
    pause_.Cancel();
  }
  wake(pending_.rouse());
}

bool PipelineStream::closed() {
  const std::scoped_lock lock(mutex_);
  return closed_;
}

absl::Status PipelineStream::why_given_up() {
  if (options_.call.stop.stop_requested()) {
    return error_of_peer(absl::StatusCode::kCancelled, kInterruptedWord, "interrupted");
  }
  return absl::CancelledError(closed() ? "the pipeline is closing" : "the client is closing");
}

// ---- What the coroutines wait for -------------------------------------------------------------------------------

auto PipelineStream::something_to_do() {
  return OnCompletion([this](Completion& writer) {
    if (!pending_.sleep(writer)) writer.complete(true);
  });
}

auto PipelineStream::pause(std::chrono::milliseconds delay) {
  return OnCompletion([this, delay](Completion& over) {
    {
      const std::scoped_lock lock(mutex_);
      if (!given_up()) {
        pause_.Set(endpoint_.queue().queue(), std::chrono::system_clock::now() + delay, &over);
        return;
      }
    }
    over.complete(true);
  });
}

auto PipelineStream::reader_left() {
  return OnCompletion([this](Completion& left) {
    if (!reading_) return left.complete(true);
    reader_waiter_ = &left;
  });
}

auto PipelineStream::deadline(PendingOperations::Clock::time_point time) {
  return OnCompletion([this, time](Completion& over) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - PendingOperations::Clock::now());
    deadline_alarm_.Set(endpoint_.queue().queue(), std::chrono::system_clock::now() + left, &over);
  });
}

auto PipelineStream::deadlines_left() {
  return OnCompletion([this](Completion& left) {
    if (!watching_) return left.complete(true);
    watch_waiter_ = &left;
  });
}

// ---- One stream after the other ---------------------------------------------------------------------------------

Detached PipelineStream::run() {
  while (!closed()) {
    co_await something_to_do();
    if (!given_up() && !pending_.empty()) {
      watch_deadlines();
      absl::Status end = co_await serve();
      co_await settle(std::move(end));
    }
    if (given_up()) end_all();
  }
  co_await leave();
  const std::scoped_lock lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

Task<absl::Status> PipelineStream::serve() {
  CallOptions options = options_.call;
  options.stop = giving_up_.get_token();
  Attempts attempts(transport_, endpoint_, {.effect = Effect::kWrite, .repeatable = false, .has_deadline = false},
                    options);
  if (absl::Status refused = attempts.admitted(); !refused.ok()) co_return refused;
  if (!transport_.bound_known()) co_await find_answer_bound(transport_, endpoint_, options);
  if (!attempts.reached_already()) {
    absl::Status reached = co_await attempts.reach();
    if (!reached.ok()) co_return reached;
  }
  co_return co_await talk(attempts);
}

Task<absl::Status> PipelineStream::talk(Attempts& attempts) {
  AttemptContext attempt(attempts, nullptr);
  grpc::TemplatedGenericStub<grpc::ByteBuffer, kvstore::v1::PipelineResponse> stub(attempts.channel());
  const auto call = stub.PrepareCall(&attempt.context, kPath, endpoint_.queue().queue());
  const bool begun = co_await OnCompletion([&](Completion& done) { call->StartCall(&done); });
  if (begun) {
    context_ = &attempt.context;
    broken_ = false;
    read_answers(*call);
    co_await write_messages(*call);
    co_await reader_left();
    context_ = nullptr;
  }
  grpc::Status status;
  co_await OnCompletion([&](Completion& done) { call->Finish(&status, &done); });
  if (!refused_.ok()) co_return std::exchange(refused_, absl::OkStatus());
  if (silent_) co_return attempts.silence();
  co_return attempts.explain(status);
}

Task<bool> PipelineStream::write_messages(Call& call) {
  for (;;) {
    co_await something_to_do();
    if (broken_ || given_up()) co_return true;
    watch_deadlines();
    const auto message = pending_.next_message(PendingOperations::Clock::now());
    pending_.deliver();
    if (!message) continue;
    const grpc::Slice slice(*message);
    const grpc::ByteBuffer bytes(&slice, 1);
    const bool written = co_await OnCompletion([&](Completion& done) { call.Write(bytes, &done); });
    if (!written) co_return false;
  }
}

Detached PipelineStream::read_answers(Call& call) {
  reading_ = true;
  for (;;) {
    kvstore::v1::PipelineResponse response;
    const bool read = co_await OnCompletion([&](Completion& done) { call.Read(&response, &done); });
    if (!read) break;
    refused_ = pending_.take_answer(response);
    if (!refused_.ok()) break;
    failures_ = 0;
    transport_.throttle().succeeded();
    pending_.deliver();
    if (Completion* writer = pending_.rouse_to_send()) writer->complete(true);
  }
  // A call that has ended of itself is not cancelled: its status would then be that.
  if (!refused_.ok()) context_->TryCancel();
  broken_ = true;
  reading_ = false;
  // Whoever waits: nothing may follow, the call is gone then.
  Completion* const left = std::exchange(reader_waiter_, nullptr);
  Completion* const waiter = left != nullptr ? left : pending_.rouse();
  if (waiter != nullptr) waiter->complete(true);
}

Task<bool> PipelineStream::settle(absl::Status end) {
  const bool silent = std::exchange(silent_, false);
  if (end.ok()) {
    end = absl::UnavailableError(
        fmt::format("lost the connection to {}: the server ended the stream", endpoint_.target()));
  }
  ++failures_;
  if (given_up()) co_return false;
  const bool passing = silent || absl::IsUnavailable(end) || cut_off(end) || has_reason(end, Reason::kOverloaded);
  const bool again = passing && !pending_.empty() && transport_.throttle().failed();
  pending_.stream_ended({.why = end, .again = again, .doubt = !refused_before(end)});
  pending_.deliver();
  // No longer than anybody waits for an answer.
  const std::chrono::milliseconds asked_for =
      std::min(retry_after(end).value_or(std::chrono::milliseconds(0)), options_.call.timeout);
  if (!pending_.empty()) co_await pause(asked_for + retry_delay(options_.call.retry, failures_));
  co_return true;
}

void PipelineStream::end_all() {
  pending_.end_all(why_given_up());
  pending_.deliver();
}

Task<bool> PipelineStream::leave() {
  pending_.close(why_given_up());
  pending_.deliver();
  deadline_alarm_.Cancel();
  co_await deadlines_left();
  co_return true;
}

// ---- Deadlines --------------------------------------------------------------------------------------------------

void PipelineStream::watch_deadlines() {
  if (!watching_) watch();
}

Detached PipelineStream::watch() {
  watching_ = true;
  for (;;) {
    const auto next = pending_.next_deadline();
    if (!next) break;
    const bool over = co_await deadline(*next);
    if (!over) break;
    expire();
  }
  watching_ = false;
  if (Completion* left = std::exchange(watch_waiter_, nullptr)) left->complete(true);
}

void PipelineStream::expire() {
  const std::string time = format_duration(options_.call.timeout);
  const absl::Status sent = absl::DeadlineExceededError(fmt::format("no answer within {}", time));
  const absl::Status not_sent = absl::DeadlineExceededError(fmt::format("could not be sent within {}", time));
  const absl::Status not_reached =
      absl::UnavailableError(fmt::format("cannot reach {}: no connection within {}", endpoint_.target(), time));
  const bool standing = context_ != nullptr;
  const bool silent =
      pending_.expire(PendingOperations::Clock::now(), {.sent = sent, .unsent = standing ? not_sent : not_reached});
  if (silent && standing) {
    silent_ = true;
    context_->TryCancel();
  }
  pending_.deliver();
}

}  // namespace kv
