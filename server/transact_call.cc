#include "server/transact_call.h"

#include <fmt/format.h>

#include "core/error.h"
#include "server/answer_writer.h"
#include "server/calling_client.h"
#include "server/operation_decoder.h"
#include "server/transact_request.h"

namespace kv {

absl::Status response_too_large(std::size_t bytes_max) {
  return error(Reason::kResponseTooLarge, fmt::format("the answer would have more than {} bytes", bytes_max),
               {{"limit", std::to_string(bytes_max)}});
}

absl::Status TransactionWriter::reserve(const TransactionOutcome& outcome) {
  constexpr std::size_t kFramingBytesMax = 64;  // of the answer itself; that of each result is in its own figure
  room_ = kFramingBytesMax;
  for (const Decision& decision : outcome.decisions) room_ += answer_bytes_at_most(decision.outcome);
  if (room_ > bytes_max_) return response_too_large(bytes_max_);
  end_ = message_.reserve(room_);
  return absl::OkStatus();
}

void TransactionWriter::take(const TransactionOutcome& outcome) noexcept {
  WireWriter writer(end_, room_);
  write_written(outcome.revision, outcome.level, outcome.replayed, writer);
  writer.enclose(3, 0);
  for (std::size_t i = outcome.decisions.size(); i-- > 0;) {
    const std::size_t mark = writer.size();
    write_result(outcome.decisions[i].outcome, writer);
    writer.enclose(2, mark);
  }
  if (id_) {
    writer.number(1, *id_);
  } else {
    writer.boolean(1, outcome.succeeded);
  }
  message_.keep_last(writer.size());
  if (call_ != nullptr) call_->holds_answer(request_bytes_ + writer.size());
}

absl::Status TransactCall::read(const WireMessage& message, TransactionRequest& request) const {
  absl::Status judged;
  if (!read_transaction(message.bytes(), request, judged)) return unparsable("kvstore.v1.TransactRequest");
  if (!judged.ok()) return judged;
  return check_transaction(engine_.limits(), request,
                           [this](const Operation& operation) { return engine_.check(operation); });
}

Answer<WireMessage> TransactCall::answer(Call& call, const WireMessage& request) {
  if (const absl::Status ready = engine_.ready(); !ready.ok()) return Result(ready);
  TransactionRequest transaction;
  if (const absl::Status well = read(request, transaction); !well.ok()) return Result(well);
  return run(call, std::move(transaction));
}

// The request's bytes outlive this: they belong to the call.
Task<absl::StatusOr<WireMessage>> TransactCall::run(Call& call, TransactionRequest request) {
  CallingClient client(call);
  WireMessage message;
  const std::size_t request_bytes = request.memory_bytes();
  call.holds_answer(request_bytes);
  TransactionWriter writer(message, engine_.limits().response_bytes_max(), call, request_bytes);
  const absl::StatusOr<Transacted> done = co_await engine_.transact(request, client, writer);
  if (!done.ok()) co_return done.status();
  note_waits(call, done->times);
  if (done->error.ok()) co_return message;
  if (!done->failed_at) co_return done->error;
  const char* list = done->succeeded ? "then" : "otherwise";
  const std::vector<Operation>& branch = done->succeeded ? request.then : request.otherwise;
  const std::size_t at = *done->failed_at;
  co_return of_operation(done->error, list, at, branch[at].kind);
}

}  // namespace kv
