// The second half of server/operation_decoder.h: what was decoded is judged.
#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "server/operation_decoder.h"

namespace kv {
namespace {

using std::chrono::milliseconds;

enum : std::uint32_t { kTtl = 1, kAt = 2, kNever = 3, kKeep = 4 };
enum : std::int32_t { kMemory = 1, kOs = 2, kDisk = 3, kQuorum = 4 };

constexpr std::int32_t kNanosPerSecond = 1'000'000'000;
constexpr std::int64_t kSecondsPerYear = 31'556'952;
// So that the time of expiry is one that a Timestamp can say: its last year is 9999.
constexpr std::int64_t kTtlSecondsMax = 5000 * kSecondsPerYear;
constexpr std::int64_t kTimestampSecondsMin = -62'135'596'800;
constexpr std::int64_t kTimestampSecondsMax = 253'402'300'799;
constexpr std::int64_t kTimestampMillisMax = kTimestampSecondsMax * 1000 + 999;

// Up, so that nothing expires early.
std::int64_t to_millis(std::int64_t seconds, std::int32_t nanos) noexcept {
  constexpr std::int32_t kNanosPerMilli = 1'000'000;
  return seconds * 1000 + (nanos + kNanosPerMilli - 1) / kNanosPerMilli;
}

absl::Status finish_ttl(const DecodedOperation::Expiry& expiry, ExpiryPolicy& policy) {
  const bool a_duration = expiry.nanos > -kNanosPerSecond && expiry.nanos < kNanosPerSecond &&
                          !(expiry.seconds > 0 && expiry.nanos < 0) && !(expiry.seconds < 0 && expiry.nanos > 0);
  if (!a_duration) return refuse_field("expiry.ttl", "is not a Duration: nanos are out of their range");
  if (expiry.seconds < 0 || (expiry.seconds == 0 && expiry.nanos <= 0))
    return refuse_field("expiry.ttl", "must be above zero");
  if (expiry.seconds > kTtlSecondsMax) return refuse_field("expiry.ttl", "is more than 5000 years");
  policy = {ExpiryPolicy::Kind::kTtl, to_millis(expiry.seconds, expiry.nanos)};
  return absl::OkStatus();
}

absl::Status finish_at(const DecodedOperation::Expiry& expiry, ExpiryPolicy& policy) {
  if (expiry.seconds < kTimestampSecondsMin || expiry.seconds > kTimestampSecondsMax || expiry.nanos < 0 ||
      expiry.nanos >= kNanosPerSecond)
    return refuse_field("expiry.at", "is not a Timestamp: its years are 1 to 9999, its nanos 0 to 999999999");
  // But not up into the year 10000, which no Timestamp could say.
  const std::int64_t at = std::min(to_millis(expiry.seconds, expiry.nanos), kTimestampMillisMax);
  policy = {ExpiryPolicy::Kind::kAt, at};
  return absl::OkStatus();
}

absl::Status finish_expiry(const DecodedOperation& decoded, ExpiryPolicy& policy) {
  const DecodedOperation::Expiry& expiry = decoded.expiry;
  const bool required = decoded.operation.kind == OperationKind::kSetExpiry;
  if (!expiry.there) {
    return required ? refuse_field("expiry", "is not set") : absl::OkStatus();
  }
  switch (expiry.policy) {
    case kTtl:
      return finish_ttl(expiry, policy);
    case kAt:
      return finish_at(expiry, policy);
    case kNever:
      if (!expiry.flag) return refuse_field("expiry.never", "must be true where it is set");
      policy.kind = ExpiryPolicy::Kind::kNever;
      return absl::OkStatus();
    case kKeep:
      if (!expiry.flag) return refuse_field("expiry.keep", "must be true where it is set");
      if (required) return refuse_field("expiry.keep", "changes nothing here");
      policy.kind = ExpiryPolicy::Kind::kKeep;
      return absl::OkStatus();
    default:
      return refuse_field("expiry", "names no policy");
  }
}

absl::Status finish_step(const CounterStep& step) {
  if (step.min && step.max && *step.min > *step.max) return refuse_field("min", "is above max");
  return absl::OkStatus();
}

}  // namespace

absl::Status within(const absl::Status& failed, std::string_view place) {
  absl::Status placed =
      error_of_peer(failed.code(), reason_of(failed), fmt::format("{} (in {})", message_of(failed), place));
  for (const auto& [name, value] : facts_of(failed)) {
    placed = with_fact(std::move(placed), name, name == "field" ? fmt::format("{}.{}", place, value) : value);
  }
  return facts_of(placed).contains("field") ? placed : with_fact(std::move(placed), "field", std::string(place));
}

std::string place_of(std::string_view list, std::size_t index, OperationKind kind) {
  constexpr std::array<std::string_view, 7> kArms = {"",           ".get",    ".set",       ".delete",
                                                     ".increment", ".append", ".set_expiry"};
  return fmt::format("{}[{}]{}", list, index, kArms[static_cast<std::size_t>(kind)]);
}

absl::Status refuse_field(std::string_view path, std::string_view why) {
  return error(Reason::kFieldInvalid, fmt::format("{} {}", path, why), {{"field", std::string(path)}});
}

absl::Status refuse_unknown(const UnknownField& unknown) {
  return refuse_field(fmt::format("{}{}", unknown.within, unknown.number), "is a field that does not exist here");
}

absl::Status finish(const DecodedOperation::Options& options, WriteOptions& result) {
  if (!options.request_id.empty()) {
    if (options.request_id.size() != std::tuple_size_v<RequestId>)
      return refuse_field("options.request_id",
                          fmt::format("has {} bytes, and must have 16", options.request_id.size()));
    const Bytes id = as_bytes(options.request_id);
    std::ranges::copy(id, result.request_id.emplace().begin());
  }
  switch (options.durability) {
    case 0:
      return absl::OkStatus();
    case kMemory:
    case kOs:
    case kDisk:
      result.level = static_cast<Level>(options.durability);
      return absl::OkStatus();
    case kQuorum:
      return error(Reason::kDurabilityUnavailable, "this is one server, there is no quorum");
    default:
      return refuse_field("options.durability", fmt::format("is {}, which is no level", options.durability));
  }
}

absl::Status finish_precondition(DecodedOperation& decoded) {
  Precondition& precondition = decoded.operation.precondition;
  if (!decoded.test.there) return absl::OkStatus();
  if (precondition.test == Precondition::Test::kNone) return refuse_field("precondition", "tests nothing");
  if (precondition.test != Precondition::Test::kType) return absl::OkStatus();
  const std::int32_t type = decoded.test.type;
  if (type < static_cast<int>(ValueType::kString) || type > static_cast<int>(ValueType::kSortedSet))
    return refuse_field("precondition.type_equals", fmt::format("is {}, which is no type", type));
  precondition.type = static_cast<ValueType>(type);
  return absl::OkStatus();
}

absl::Status finish(DecodedOperation& decoded) {
  if (decoded.unknown.number != 0) return refuse_unknown(decoded.unknown);
  if (decoded.expiry.unknown.number != 0) return refuse_unknown(decoded.expiry.unknown);
  Operation& operation = decoded.operation;
  if (operation.kind == OperationKind::kNone) return refuse_field("op", "is not set");
  const bool plain = !decoded.test.there && !decoded.expiry.there && !decoded.options.there &&
                     (operation.kind == OperationKind::kGet || operation.kind == OperationKind::kSet);
  if (plain) return absl::OkStatus();  // most of all: nothing is left to judge
  if (absl::Status tested = finish_precondition(decoded); !tested.ok()) return tested;
  if (absl::Status expires = finish_expiry(decoded, operation.expiry); !expires.ok()) return expires;
  if (absl::Status stepped = finish_step(operation.step); !stepped.ok()) return stepped;
  return finish(decoded.options, operation.options);
}

}  // namespace kv
