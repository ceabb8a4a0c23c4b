#include "server/transact_request.h"

#include <fmt/format.h>

#include "core/error.h"
#include "server/operation_decoder.h"
#include "server/request_check.h"

namespace kv {
namespace {

enum : std::uint32_t { kComparisons = 1, kThen = 2, kOtherwise = 3, kOptions = 4 };
constexpr std::uint32_t bytes(std::uint32_t field) { return wire_tag(field, WireType::kBytes); }

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
    if (!judged.ok()) refuse(of_operation(judged, list, operations.size(), decoded.operation.kind));
    operations.push_back(decoded.operation);
  }

  TransactionRequest& request_;
  DecodedOperation::Options options_;
  UnknownField unknown_;
  absl::Status refused_;
};

absl::Status check_all(const char* list, const std::vector<Operation>& operations,
                       const std::function<absl::Status(const Operation&)>& check) {
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (const absl::Status checked = check(operations[i]); !checked.ok())
      return of_operation(checked, list, i, operations[i].kind);
  }
  return absl::OkStatus();
}

}  // namespace

bool read_transaction(std::string_view bytes, TransactionRequest& request, absl::Status& judged) {
  RequestReader reader(request);
  if (!reader.read(bytes)) return false;
  judged = reader.finish();
  return true;
}

absl::Status check_transaction(const Limits& limits, const TransactionRequest& request,
                               const std::function<absl::Status(const Operation&)>& check) {
  for (std::size_t i = 0; i < request.comparisons.size(); ++i) {
    if (const absl::Status checked = check_key(limits, request.comparisons[i].key); !checked.ok())
      return within(checked, place_of("comparisons", i, OperationKind::kNone));
  }
  if (absl::Status checked = check_all("then", request.then, check); !checked.ok()) return checked;
  return check_all("otherwise", request.otherwise, check);
}

absl::Status of_operation(const absl::Status& failed, std::string_view list, std::size_t index, OperationKind kind) {
  return with_fact(within(failed, place_of(list, index, kind)), "operation", std::to_string(index));
}

}  // namespace kv
