// The calls of kvstore.v1.KeyValueService that are one operation on one key: bytes to operation, outcome to bytes.
//
// Threads:  the handlers run on the reactors' pollers. Lifetime: the engine outlives it, it outlives the reactors.
// Errors:   as docs/api/v1.md lists them.
#pragma once

#include "rpc/unary.h"
#include "server/engine.h"
#include "server/operation_decoder.h"

namespace kv {

class SingleCalls {
 public:
  explicit SingleCalls(Engine& engine) : engine_(engine) {}

  // A handler for serve_unary() of the operation's method.
  class Handler {
   public:
    Answer<WireMessage> operator()(Call& call, WireMessage& request) const {
      return calls_->answer(kind_, call, request);
    }

   private:
    friend class SingleCalls;
    Handler(SingleCalls& calls, OperationKind kind) : calls_(&calls), kind_(kind) {}
    SingleCalls* calls_;
    OperationKind kind_;
  };
  Handler handler(OperationKind kind) { return {*this, kind}; }

 private:
  using Result = absl::StatusOr<WireMessage>;

  Answer<WireMessage> answer(OperationKind kind, Call& call, const WireMessage& request);
  Answer<WireMessage> read(Call& call, const Operation& operation);
  Task<Result> answer_when_readable(Call& call, WireMessage message, absl::Status error, Revision shown);
  Task<Result> write(Call& call, Operation operation);

  Engine& engine_;
};

}  // namespace kv
