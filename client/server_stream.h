// The answers of a call that answers with a stream, one at a time, as fast as the caller asks for them: what is not
// asked for is not read, and the server waits.
//
// Until the first answer the call is repeated like any read. After that a break is an error: what was read is not read
// again, and where to go on is for the caller to say (a scan has a token for that).
//
// Threads:  next() from one thread at a time, and not before the one before has ended; it resumes on a thread of the
//           client.
// Lifetime: goes before its client; between two next() at any time, which gives the rest up.
// Errors:   client/attempts.h. DEADLINE_EXCEEDED: nothing came for the timeout of the options. To send the request,
// which
//           a server that does not read holds up, counts as that.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <grpcpp/alarm.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "absl/status/statusor.h"
#include "client/answer_bound.h"
#include "client/methods.h"
#include "client/unary_call.h"

namespace kv {

// Gives a call up when nothing comes for a while. Everything but the constructor on the queue's thread.
class SilenceAlarm final : public Completion {
 public:
  SilenceAlarm(ClientQueue& queue, grpc::ClientContext& context, std::chrono::system_clock::time_point end)
      : context_(context) {
    alarm_.Set(queue.queue(), end, static_cast<Completion*>(this));
  }
  void complete(bool elapsed) noexcept override {
    fired_ = true;
    if (elapsed) context_.TryCancel();
    expired_ = elapsed;
    if (waiter_ != nullptr) waiter_->complete(true);
  }
  // To be awaited before the end: afterwards the queue does not know it any more.
  auto end() {
    return OnCompletion([this](Completion& ended) {
      if (fired_) return ended.complete(true);
      waiter_ = &ended;
      alarm_.Cancel();
    });
  }
  bool expired() const noexcept { return expired_; }

 private:
  grpc::ClientContext& context_;
  grpc::Alarm alarm_;
  Completion* waiter_ = nullptr;
  bool fired_ = false;
  bool expired_ = false;
};

template <class Request, class Response>
class ServerStream {
 public:
  ServerStream(Transport& transport, Endpoint& endpoint, StreamMethod<Request, Response> method, Request request,
               CallOptions options)
      : state_(std::make_unique<State>(transport, endpoint, method.path, std::move(request), std::move(options))) {}
  ~ServerStream() {
    if (state_ && state_->call) give_up(std::move(state_));
  }
  ServerStream(ServerStream&&) noexcept = default;
  ServerStream& operator=(ServerStream&&) = delete;

  // Absent: the end of the stream. After that, and after an error, not to be called again.
  Task<absl::StatusOr<std::optional<Response>>> next() { return next_of(*state_); }

 private:
  using Answer = absl::StatusOr<std::optional<Response>>;
  using Call = grpc::ClientAsyncReaderWriter<Request, Response>;

  struct State {
    State(Transport& transport, Endpoint& endpoint, const char* path, Request request, CallOptions options)
        : transport(transport),
          endpoint(endpoint),
          path(path),
          request(std::move(request)),
          options(std::move(options)),
          attempts(transport, endpoint, {.effect = Effect::kRead, .repeatable = true, .has_deadline = false},
                   this->options) {}

    Transport& transport;
    Endpoint& endpoint;
    const std::string path;
    const Request request;
    const CallOptions options;
    Attempts attempts;
    std::unique_ptr<AttemptContext> attempt;
    std::unique_ptr<Call> call;  // While the library knows of it.
    std::chrono::system_clock::time_point silence_end;
    bool silent = false;
    bool answered = false;

    void hear() { silence_end = std::chrono::system_clock::now() + options.timeout; }
  };

  static Task<Answer> next_of(State& state) {
    for (;;) {
      absl::Status status;
      state.hear();
      if (!state.call) status = co_await begin(state);
      if (status.ok()) {
        Response response;
        const bool read = co_await read_one(state, response);
        if (read) {
          state.answered = true;
          co_return std::optional<Response>(std::move(response));
        }
        status = co_await finish(state);
        if (state.silent) status = state.attempts.silence();
        if (status.ok()) co_return std::optional<Response>();
      }
      const auto delay = state.answered ? std::nullopt : state.attempts.next_delay(status);
      if (!delay) co_return status;
      co_await state.attempts.sleep(*delay);
    }
  }

  static Task<absl::Status> begin(State& state) {
    if (absl::Status refused = state.attempts.admitted(); !refused.ok()) co_return refused;
    if (!state.transport.bound_known()) co_await find_answer_bound(state.transport, state.endpoint, state.options);
    if (!state.attempts.reached_already()) {
      absl::Status reached = co_await state.attempts.reach();
      if (!reached.ok()) co_return reached;
    }
    state.attempt = std::make_unique<AttemptContext>(state.attempts, nullptr);
    grpc::TemplatedGenericStub<Request, Response> stub(state.attempts.channel());
    grpc::CompletionQueue* queue = state.endpoint.queue().queue();
    state.call = stub.PrepareCall(&state.attempt->context, state.path, queue);
    state.hear();
    SilenceAlarm silence(state.endpoint.queue(), state.attempt->context, state.silence_end);
    const bool begun = co_await OnCompletion([&](Completion& done) { state.call->StartCall(&done); });
    if (begun) {
      co_await OnCompletion(
          [&](Completion& done) { state.call->WriteLast(state.request, grpc::WriteOptions(), &done); });
    }
    co_await silence.end();
    state.silent = silence.expired();
    co_return absl::OkStatus();  // What went wrong is told by the end of the call.
  }

  static Task<bool> read_one(State& state, Response& response) {
    SilenceAlarm silence(state.endpoint.queue(), state.attempt->context, state.silence_end);
    const bool read = co_await OnCompletion([&](Completion& done) { state.call->Read(&response, &done); });
    co_await silence.end();
    state.silent = !read && (state.silent || silence.expired());
    co_return read;
  }

  static Task<absl::Status> finish(State& state) {
    grpc::Status status;
    co_await OnCompletion([&](Completion& done) { state.call->Finish(&status, &done); });
    state.call.reset();
    state.attempt.reset();
    co_return state.attempts.explain(status);
  }

  static Detached give_up(std::unique_ptr<State> state) {
    state->attempt->context.TryCancel();
    [[maybe_unused]] const absl::Status end = co_await finish(*state);
  }

  std::unique_ptr<State> state_;
};

}  // namespace kv
