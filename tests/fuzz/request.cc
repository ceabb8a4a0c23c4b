// A request, whatever its bytes are, as the server judges it before anything is applied: the unary calls of kvstore.v1,
// Transact, MultiGet, DeleteRange, Scan and its tokens, UpdateConfig and its masks, the old service, patterns of keys.
//
// The first byte chooses the call, the rest is the request. The second opinion is request_law.h; what is taken must
// mean what the library's message says, also when it is written anew.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>

#include "core/bytes.h"
#include "core/error.h"
#include "kvstore/kvstore.pb.h"
#include "server/key_pattern.h"
#include "server/many_requests.h"
#include "server/operation_decoder.h"
#include "server/request_check.h"
#include "server/request_key.h"
#include "server/scan_plan.h"
#include "server/transact_request.h"
#include "tests/fuzz/request_config.h"
#include "tests/fuzz/request_law.h"
#include "tests/fuzz/target.h"

namespace kv::fuzz {
namespace {

namespace v1 = kvstore::v1;

// Small, so that bytes of a fuzzer reach them.
constexpr Limits kLimits{.key_bytes_max = 40, .entry_bytes_max = 64};
constexpr std::uint64_t kStore = 7;  // whose tokens are good
constexpr std::size_t kMatchedBytesMax = 2000;

void agree(bool taken_by_us, bool lawful, const google::protobuf::Message& message, const absl::Status& why) {
  if (taken_by_us) ++taken;
  if (!taken_by_us) check_refusal(why);
  if (taken_by_us == lawful) return;
  wrong(fmt::format("{} against the rules: {} ({})", taken_by_us ? "taken" : "refused", message.ShortDebugString(),
                    why.ToString()));
}

// ---- One operation ----------------------------------------------------------------------------------------------

absl::Status judge(OperationKind kind, std::string_view bytes, DecodedOperation& decoded, bool& parses) {
  parses = decode_request(kind, bytes, decoded);
  if (!parses) return absl::OkStatus();
  if (absl::Status finished = finish(decoded); !finished.ok()) return finished;
  return check_operation(kLimits, decoded.operation);
}

std::optional<RequestKey> key_of(const Operation& operation) {
  return request_key(operation, HashedKey(operation.key), HashedValue(operation.value));
}

// Rounded up: nothing expires early.
std::int64_t millis_up(std::int64_t seconds, std::int64_t nanos) {
  return seconds * 1000 + nanos / 1'000'000 + (nanos % 1'000'000 > 0 ? 1 : 0);
}

void check_expiry(const v1::Expiry& asked, const ExpiryPolicy& found) {
  using Kind = ExpiryPolicy::Kind;
  if (asked.has_ttl() &&
      (found.kind != Kind::kTtl || found.millis != millis_up(asked.ttl().seconds(), asked.ttl().nanos())))
    wrong("another ttl: " + asked.ShortDebugString());
  if (asked.has_at() &&
      (found.kind != Kind::kAt || found.millis != millis_up(asked.at().seconds(), asked.at().nanos())))
    wrong("another time: " + asked.ShortDebugString());
  if (asked.has_never() && found.kind != Kind::kNever) wrong("expires: " + asked.ShortDebugString());
}

template <class Request>
void decode_operation_of(OperationKind kind, const std::string& bytes) {
  Request message;
  const bool library_parses = message.ParseFromString(bytes);
  DecodedOperation decoded;
  bool parses = false;
  const absl::Status judged = judge(kind, bytes, decoded, parses);
  if (parses != library_parses) wrong(parses ? "taken by us alone" : "refused by us alone");
  if (!parses) return;
  agree(judged.ok(), is_lawful(kLimits, message), message, judged);
  if (!judged.ok()) return;
  const Operation& operation = decoded.operation;
  if (operation.key != message.key()) wrong("another key: " + message.ShortDebugString());
  if constexpr (requires { message.value(); }) {
    if (operation.value != message.value()) wrong("another value: " + message.ShortDebugString());
  }
  if constexpr (requires { message.expiry(); }) check_expiry(message.expiry(), operation.expiry);
  // A retry is the same request, however its client writes it.
  const std::string again = message.SerializeAsString();
  DecodedOperation retried;
  if (!judge(kind, again, retried, parses).ok() || !parses) wrong("refused when it is written anew");
  const auto first = key_of(operation), second = key_of(retried.operation);
  if (first.has_value() != second.has_value() || (first && (first->id != second->id || first->hash != second->hash)))
    wrong("another request when it is written anew: " + message.ShortDebugString());
}

// ---- Several operations, keys, ranges ---------------------------------------------------------------------------

void decode_transaction(const std::string& bytes) {
  v1::TransactRequest message;
  const bool library_parses = message.ParseFromString(bytes);
  const auto check = [](const Operation& operation) { return check_operation(kLimits, operation); };
  TransactionRequest request;
  absl::Status judged;
  const bool parses = read_transaction(bytes, request, judged);
  if (parses != library_parses) wrong(parses ? "taken by us alone" : "refused by us alone");
  if (!parses) return;
  if (judged.ok()) judged = check_transaction(kLimits, request, check);
  agree(judged.ok(), is_lawful(kLimits, message), message, judged);
  if (!judged.ok()) return;
  const std::string again = message.SerializeAsString();
  TransactionRequest retried;
  if (!read_transaction(again, retried, judged) || !judged.ok()) wrong("refused when it is written anew");
  const auto first = request_key(request), second = request_key(retried);
  if (first.has_value() != second.has_value() || (first && (first->id != second->id || first->hash != second->hash)))
    wrong("another transaction when it is written anew: " + message.ShortDebugString());
}

void decode_multi_get(const std::string& bytes) {
  v1::MultiGetRequest message;
  const bool library_parses = message.ParseFromString(bytes);
  const absl::StatusOr<WantedKeys> wanted = read_multi_get(kLimits, bytes);
  const bool parses = !has_reason(wanted.status(), Reason::kMessageInvalid);
  if (parses != library_parses) wrong(parses ? "taken by us alone" : "refused by us alone");
  if (!parses) return;
  agree(wanted.ok(), is_lawful(kLimits, message), message, wanted.status());
  if (!wanted.ok()) return;
  if (!std::ranges::equal(wanted->keys, message.keys()) || wanted->omit_values != message.omit_values() ||
      wanted->consistent != message.consistent())
    wrong("other keys than: " + message.ShortDebugString());
}

// On keys at the ends of the range and beside them.
void check_range(const v1::KeyRange& asked, const KeyRange& found) {
  for (const std::string& edge : {asked.prefix(), asked.start(), asked.end(), found.end}) {
    std::string before = edge;
    if (!before.empty()) before.pop_back();
    for (const std::string& key : {edge, edge + '\0', edge + '\xff', before, before + '\xff'}) {
      if (!key.empty() && found.contains(key) != selects(asked, key))
        wrong("another range: " + asked.ShortDebugString());
    }
  }
}

void decode_delete_range(const std::string& bytes) {
  v1::DeleteRangeRequest request;
  if (!request.ParseFromString(bytes)) return;
  const auto deletion = range_deletion_of(request);
  agree(deletion.ok(), is_lawful(request), request, deletion.status());
  if (deletion.ok()) check_range(request.range(), deletion->range);
}

// A token of this scan goes on with this scan, from its place, and with no other.
void check_token(v1::ScanRequest request, const ScanPlan& plan, WalkPlace place) {
  request.set_resume_token(write_scan_token(plan.identity, place));
  const auto resumed = scan_plan_of(request, kStore, kLimits);
  if (!resumed.ok() || resumed->from != place) wrong("its token is refused: " + resumed.status().ToString());
  const auto elsewhere = scan_plan_of(request, kStore + 1, kLimits);
  if (!has_reason(elsewhere.status(), Reason::kTokenInvalid)) wrong("a token is good for another store");
  request.set_type(request.type() == v1::VALUE_TYPE_HASH ? v1::VALUE_TYPE_LIST : v1::VALUE_TYPE_HASH);
  const auto other = scan_plan_of(request, kStore, kLimits);
  if (!has_reason(other.status(), Reason::kTokenInvalid)) wrong("a token is good for another selection of keys");
}

void decode_scan(const std::string& bytes) {
  v1::ScanRequest request;
  if (!request.ParseFromString(bytes)) return;
  const auto as_it_is = scan_plan_of(request, kStore, kLimits);
  if (!as_it_is.ok()) check_refusal(as_it_is.status());
  const std::string token = request.resume_token();
  if (as_it_is.ok() && !token.empty() && token != write_scan_token(as_it_is->identity, as_it_is->from))
    wrong("a token that nobody has written was taken");
  request.clear_resume_token();
  const auto plan = scan_plan_of(request, kStore, kLimits);
  agree(plan.ok(), is_lawful(request), request, plan.status());
  if (!plan.ok()) return;
  if (plan->chunk_bytes == 0 || plan->chunk_bytes > kScanChunkBytesMax) wrong("a chunk that no client takes");
  if (plan->limit != request.limit()) wrong("another limit");
  check_range(request.range(), plan->options.range);
  WalkPlace place;
  std::memcpy(&place.order, token.data(), std::min(token.size(), sizeof place.order));
  place.tie = token.size();
  check_token(request, *plan, place);
}

// ---- The old service --------------------------------------------------------------------------------------------

template <class Request>
void decode_old(const std::string& bytes) {
  Request request;
  if (!request.ParseFromString(bytes)) return;
  std::string_view value;
  absl::Status judged;
  if constexpr (requires { request.value(); }) {
    value = request.value();
    judged = check_entry(kLimits, request.key(), value);
  } else {
    judged = check_key(kLimits, request.key());
  }
  const std::size_t bytes_of_key = request.key().size();
  const bool lawful = bytes_of_key > 0 && bytes_of_key <= kLimits.key_bytes_max &&
                      (value.empty() || bytes_of_key + value.size() <= kLimits.entry_bytes_max);
  agree(judged.ok(), lawful, request, judged);
}

// ---- Patterns ---------------------------------------------------------------------------------------------------

// A line with the pattern, then the key.
void decode_pattern(std::string_view text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view glob = text.substr(0, end);
  const std::string_view key = text.substr(std::min(text.size(), end + 1)).substr(0, kMatchedBytesMax);
  const auto pattern = KeyPattern::compile(glob);
  const auto plain = PlainPattern::read(glob);
  if (!pattern.ok()) check_refusal(pattern.status());
  if (pattern.ok() != plain.has_value()) wrong("the pattern: " + pattern.status().ToString());
  if (!pattern.ok()) return;
  ++taken;
  if (pattern->matches(key) != plain->matches(key)) wrong("matches, or does not");
}

}  // namespace

void check_refusal(const absl::Status& refused) {
  const std::string reason = reason_of(refused);
  const bool callers_fault =
      refused.code() == absl::StatusCode::kInvalidArgument || refused.code() == absl::StatusCode::kFailedPrecondition;
  if (!callers_fault || reason.empty()) wrong("refused without a reason: " + refused.ToString());
  if (!std::string_view(refused.message().data(), refused.message().size()).starts_with(reason + ": "))
    wrong("the message does not begin with its reason: " + refused.ToString());
}

void decode(Bytes input) {
  // The library tells the world of each text that is not UTF-8.
  static google::protobuf::LogHandler* const silent = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(silent);
  if (input.empty()) return;
  const auto call = static_cast<unsigned>(input.front()) % 16;
  const std::string bytes(as_text(input.subspan(1)));  // Ends where it ends: what is read beyond is seen.
  switch (call) {
    case 0:
      return decode_operation_of<v1::GetRequest>(OperationKind::kGet, bytes);
    case 1:
      return decode_operation_of<v1::SetRequest>(OperationKind::kSet, bytes);
    case 2:
      return decode_operation_of<v1::DeleteRequest>(OperationKind::kDelete, bytes);
    case 3:
      return decode_operation_of<v1::IncrementRequest>(OperationKind::kIncrement, bytes);
    case 4:
      return decode_operation_of<v1::AppendRequest>(OperationKind::kAppend, bytes);
    case 5:
      return decode_operation_of<v1::SetExpiryRequest>(OperationKind::kSetExpiry, bytes);
    case 6:
      return decode_transaction(bytes);
    case 7:
      return decode_multi_get(bytes);
    case 8:
      return decode_delete_range(bytes);
    case 9:
      return decode_scan(bytes);
    case 10:
      return decode_update_config(bytes);
    case 11:
      return decode_old_config(bytes);
    case 12:
      return decode_old<kvstore::SetRequest>(bytes);
    case 13:
      return decode_old<kvstore::GetRequest>(bytes);
    case 14:
      return decode_old<kvstore::DelRequest>(bytes);
    default:
      return decode_pattern(bytes);
  }
}

}  // namespace kv::fuzz
