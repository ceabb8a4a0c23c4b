#include "server/transact_call.h"

#include <fmt/format.h>

#include "core/error.h"
#include "server/answer_writer.h"
#include "server/calling_client.h"
#include "server/operation_decoder.h"

namespace kv {
namespace {

enum : std::uint32_t { kComparisons = 1, kThen = 2, kOtherwise = 3, kOptions = 4 };
constexpr std::uint32_t bytes(std::uint32_t field) { return wire_tag(field, WireType::kBytes); }

// What stands in the bytes, judged one by one but not before all were read: bytes that do not parse are that, whatever
// else is wrong with them.
class RequestReader {
 public:
  explicit RequestReader(TransactionRequest& request) : request_(request) {}

  // False: not a TransactRequest.
  bool read(std::string_view message) {
    WireReader reader(message);
    while (reader.next()) {
      switch (reader.tag()) {
        case bytes(kComparisons):
          read_comparison(reader);
          break;
        case bytes(kThen):
          read_operation(reader, "then", request_.then);
          break;
        case bytes(kOtherwise):
          read_operation(reader, "otherwise", request_.otherwise);
          break;
        case bytes(kOptions): {
          WireReader options = reader.message();
          if (!decode_options(options, options_, unknown_, "options.")) reader.fail();
          break;
        }
        default:
          unknown_.note("", reader.field());
          reader.skip();
      }
    }
    return !reader.failed();
  }

  // The first thing that is wrong with what was read.
  absl::Status finish() {
    if (unknown_.number != 0) return refuse_unknown(unknown_);
    if (!refused_.ok()) return refused_;
    return kv::finish(options_, request_.options);
  }

 private:
  bool too_many(const char* list, std::size_t count) {
    if (count < kTransactionOperationsMax) return false;
    refuse(error(Reason::kTooManyOperations,
                 fmt::format("{} has more than {} elements", list, kTransactionOperationsMax),
                 {{"field", list}, {"limit", std::to_string(kTransactionOperationsMax)}}));
    return true;
  }
  void refuse(absl::Status why) {
    if (refused_.ok()) refused_ = std::move(why);
  }

  void read_comparison(WireReader& reader) {
    DecodedOperation decoded;
    WireReader comparison = reader.message();
    while (comparison.next()) {
      switch (comparison.tag()) {
        case bytes(1):
          decoded.operation.key = comparison.bytes();
          break;
        case bytes(2): {
          WireReader precondition = comparison.message();
          if (!decode_precondition(precondition, decoded, "precondition.")) comparison.fail();
          break;
        }
        default:
          decoded.unknown.note("", comparison.field());
          comparison.skip();
      }
    }
    if (comparison.failed()) {
      reader.fail();
      return;
    }
    if (too_many("comparisons", request_.comparisons.size())) return;
    absl::Status judged = decoded.unknown.number != 0 ? refuse_unknown(decoded.unknown) : finish_precondition(decoded);
    if (judged.ok() && !decoded.test.there) judged = refuse_field("precondition", "is not set");
    if (!judged.ok())
      refuse(within(judged, place_of("comparisons", request_.comparisons.size(), OperationKind::kNone)));
    request_.comparisons.push_back({decoded.operation.key, decoded.operation.precondition});
  }

  void read_operation(WireReader& reader, const char* list, std::vector<Operation>& operations) {
    DecodedOperation decoded;
    WireReader operation = reader.message();
    if (!decode_operation(operation, decoded)) {
      reader.fail();
      return;
    }
    if (too_many(list, operations.size())) return;
    absl::Status judged = kv::finish(decoded);
    if (judged.ok() && decoded.options.there) judged = refuse_field("options", "belongs to the whole transaction");
    if (!judged.ok()) refuse(within(judged, place_of(list, operations.size(), decoded.operation.kind)));
    operations.push_back(decoded.operation);
  }

  TransactionRequest& request_;
  DecodedOperation::Options options_;
  UnknownField unknown_;
  absl::Status refused_;
};

absl::Status check_all(const Engine& engine, const char* list, const std::vector<Operation>& operations) {
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (const absl::Status checked = engine.check(operations[i]); !checked.ok())
      return within(checked, place_of(list, i, operations[i].kind));
  }
  return absl::OkStatus();
}

}  // namespace

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
}

absl::Status TransactCall::read(const WireMessage& message, TransactionRequest& request) const {
  RequestReader reader(request);
  if (!reader.read(message.bytes())) return unparsable("kvstore.v1.TransactRequest");
  if (absl::Status finished = reader.finish(); !finished.ok()) return finished;
  for (std::size_t i = 0; i < request.comparisons.size(); ++i) {
    if (const absl::Status checked = engine_.check_key(request.comparisons[i].key); !checked.ok())
      return within(checked, place_of("comparisons", i, OperationKind::kNone));
  }
  if (absl::Status checked = check_all(engine_, "then", request.then); !checked.ok()) return checked;
  return check_all(engine_, "otherwise", request.otherwise);
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
  TransactionWriter writer(message, engine_.limits().response_bytes_max());
  const absl::StatusOr<Transacted> done = co_await engine_.transact(request, client, writer);
  if (!done.ok()) co_return done.status();
  note_waits(call, done->times);
  if (done->error.ok()) co_return message;
  if (!done->failed_at) co_return done->error;
  const char* list = done->succeeded ? "then" : "otherwise";
  const std::vector<Operation>& branch = done->succeeded ? request.then : request.otherwise;
  const std::size_t at = *done->failed_at;
  co_return with_fact(within(done->error, place_of(list, at, branch[at].kind)), "operation", std::to_string(at));
}

}  // namespace kv
