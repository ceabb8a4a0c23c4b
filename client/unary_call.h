// One unary call, with as many attempts as its options allow.
//
// Threads:  begins on the thread that awaits it, resumes on those of the transport.
// Lifetime: the transport, and the metadata when there is any, outlive the task.
// Errors:   client/attempts.h.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "absl/status/statusor.h"
#include "client/answer_bound.h"
#include "client/attempts.h"

namespace kv {

// What an attempt sends and receives beside the messages; ends when the call is given up.
class AttemptContext {
 public:
  AttemptContext(Attempts& attempts, CallMetadata* metadata);

  grpc::ClientContext context;
  // After the attempt's end: keeps the trailers.
  void ended();

 private:
  struct Cancel {
    grpc::ClientContext& context;
    void operator()() const { context.TryCancel(); }
  };

  CallMetadata* const metadata_;
  const std::stop_callback<Cancel> on_stop_;
  const std::stop_callback<Cancel> on_closing_;
};

// `metadata` may be null. The bound of an answer is found out first, unless this call is what finds it out.
template <class Request, class Response>
Task<absl::StatusOr<Response>> call_unary(Transport& transport, Endpoint& endpoint,
                                          UnaryMethod<Request, Response> method, Request request, CallOptions options,
                                          bool repeatable, CallMetadata* metadata = nullptr, bool needs_bound = true) {
  Attempts attempts(transport, endpoint, {method.effect, repeatable || method.effect == Effect::kRead}, options);
  if (absl::Status refused = attempts.admitted(); !refused.ok()) co_return refused;
  for (;;) {
    Response response;
    absl::Status status;
    if (needs_bound && !transport.bound_known()) co_await find_answer_bound(transport, endpoint, options);
    if (!attempts.reached_already()) status = co_await attempts.reach();
    if (status.ok()) {
      grpc::Status answer;
      AttemptContext attempt(attempts, metadata);
      grpc::TemplatedGenericStub<Request, Response> stub(attempts.channel());
      auto reader = stub.PrepareUnaryCall(&attempt.context, method.path, request, endpoint.queue().queue());
      co_await OnCompletion([&](Completion& done) {
        reader->StartCall();
        reader->Finish(&response, &answer, &done);
      });
      attempt.ended();
      status = attempts.explain(answer);
    }
    if (status.ok()) {
      attempts.succeeded();
      co_return response;
    }
    const auto delay = attempts.next_delay(status);
    if (!delay) co_return attempts.verdict(status);
    co_await attempts.sleep(*delay);
  }
}

}  // namespace kv
