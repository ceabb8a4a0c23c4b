#include "server/single_calls.h"

#include <array>

#include "server/answer_writer.h"
#include "server/calling_client.h"

namespace kv {
namespace {

constexpr std::array<std::string_view, 7> kRequestTypes = {
    "",
    "kvstore.v1.GetRequest",
    "kvstore.v1.SetRequest",
    "kvstore.v1.DeleteRequest",
    "kvstore.v1.IncrementRequest",
    "kvstore.v1.AppendRequest",
    "kvstore.v1.SetExpiryRequest",
};

// The outcome as a message of its own.
class MessageSink final : public OutcomeSink {
 public:
  // `call`, when there is one, is told how much its answer holds while it waits.
  explicit MessageSink(WireMessage& message, Call* call = nullptr) : message_(message), call_(call) {}

  absl::Status reserve(const Outcome& outcome) override {
    room_ = answer_bytes_at_most(outcome);
    end_ = message_.reserve(room_);
    return absl::OkStatus();
  }
  void take(const Outcome& outcome) noexcept override {
    WireWriter writer(end_, room_);
    write_answer(outcome, writer);
    message_.keep_last(writer.size());
    if (call_ != nullptr) call_->holds_answer(writer.size());
  }

 private:
  WireMessage& message_;
  Call* const call_;
  char* end_ = nullptr;
  std::size_t room_ = 0;
};

}  // namespace

Answer<WireMessage> SingleCalls::answer(OperationKind kind, Call& call, const WireMessage& request) {
  if (const absl::Status ready = engine_.ready(); !ready.ok()) return Result(ready);
  DecodedOperation decoded;
  if (!decode_request(kind, request.bytes(), decoded))
    return Result(unparsable(kRequestTypes[static_cast<std::size_t>(kind)]));
  if (const absl::Status finished = finish(decoded); !finished.ok()) return Result(finished);
  if (const absl::Status checked = engine_.check(decoded.operation); !checked.ok()) return Result(checked);
  if (decoded.operation.writes()) return write(call, decoded.operation);
  return read(call, decoded.operation);
}

Answer<WireMessage> SingleCalls::read(Call& call, const Operation& operation) {
  WireMessage message;
  MessageSink sink(message);
  const Outcome outcome = engine_.get(operation, sink);
  if (engine_.must_wait(outcome.shown))
    return answer_when_readable(call, std::move(message), outcome.error, outcome.shown);
  if (!outcome.error.ok()) return Result(outcome.error);
  return Result(std::move(message));
}

Task<absl::StatusOr<WireMessage>> SingleCalls::answer_when_readable(Call& call, WireMessage message, absl::Status error,
                                                                    Revision shown) {
  call.holds_answer(message.bytes().size());
  LevelWait wait = engine_.until_readable(shown, call.home());
  const absl::Status readable = co_await wait;
  call.waited(CallStage::kDisk, wait.waited());
  if (!readable.ok()) co_return readable;
  if (!error.ok()) co_return error;
  co_return message;
}

// The request's bytes outlive this: they belong to the call.
Task<absl::StatusOr<WireMessage>> SingleCalls::write(Call& call, Operation operation) {
  CallingClient client(call);
  WireMessage message;
  MessageSink sink(message, &call);
  const absl::StatusOr<Written> written = co_await engine_.write(operation, client, &sink);
  if (!written.ok()) co_return written.status();
  note_waits(call, written->times);
  co_return message;
}

}  // namespace kv
