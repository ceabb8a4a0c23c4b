// The Transact call of kvstore.v1.KeyValueService: comparisons, and the operations of the branch they choose.
//
// Threads:  the handler runs on the reactors' pollers. Lifetime: the engine outlives it, it outlives the reactors.
// Errors:   as docs/api/v1.md lists them; an operation's error carries its place ("then[3].set") in its facts.
#pragma once

#include "rpc/unary.h"
#include "server/engine.h"
#include "server/transaction.h"

namespace kv {

class TransactCall {
 public:
  explicit TransactCall(Engine& engine) : engine_(engine) {}

  Answer<WireMessage> answer(Call& call, const WireMessage& request);

  // A handler for serve_unary().
  struct Handler {
    TransactCall* transact;
    Answer<WireMessage> operator()(Call& call, WireMessage& request) const { return transact->answer(call, request); }
  };

 private:
  using Result = absl::StatusOr<WireMessage>;

  absl::Status read(const WireMessage& message, TransactionRequest& request) const;
  Task<Result> run(Call& call, TransactionRequest request);

  Engine& engine_;
};

// Writes the answers of a transaction as results of an answer that begins with `first` and ends with its WriteResult:
// of TransactResponse and PipelineResponse alike.
class TransactionWriter final : public TransactionSink {
 public:
  // `id`: of the pipeline's message; else the answer begins with `succeeded`.
  TransactionWriter(WireMessage& message, std::size_t bytes_max, std::optional<std::uint64_t> id = {})
      : message_(message), bytes_max_(bytes_max), id_(id) {}
  // `call` is told how much its answer holds while it waits, beside what the request takes.
  TransactionWriter(WireMessage& message, std::size_t bytes_max, Call& call, std::size_t request_bytes)
      : message_(message), bytes_max_(bytes_max), call_(&call), request_bytes_(request_bytes) {}

  absl::Status reserve(const TransactionOutcome& outcome) override;
  void take(const TransactionOutcome& outcome) noexcept override;

 private:
  WireMessage& message_;
  const std::size_t bytes_max_;
  const std::optional<std::uint64_t> id_;
  Call* const call_ = nullptr;
  const std::size_t request_bytes_ = 0;
  char* end_ = nullptr;
  std::size_t room_ = 0;
};

// RESPONSE_TOO_LARGE.
[[gnu::cold]] absl::Status response_too_large(std::size_t bytes_max);

}  // namespace kv
