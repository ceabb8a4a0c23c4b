#include "core/error.h"

#include <algorithm>

#include <fmt/format.h>

#include "absl/strings/cord.h"
#include "core/absl_text.h"

namespace kv {
namespace {

constexpr absl::string_view kReasonUrl = "kvstore/reason";
constexpr absl::string_view kFactsUrl = "kvstore/facts";

struct Meaning {
  absl::StatusCode code;
  std::string_view word;
};

// No default: a new reason without a line here is a compile error.
Meaning meaning(Reason reason) noexcept {
  using enum absl::StatusCode;
  switch (reason) {
    case Reason::kEmptyKey:
      return {kInvalidArgument, "EMPTY_KEY"};
    case Reason::kKeyTooLarge:
      return {kInvalidArgument, "KEY_TOO_LARGE"};
    case Reason::kKeyNotUtf8:
      return {kInvalidArgument, "KEY_NOT_UTF8"};
    case Reason::kEntryTooLarge:
      return {kInvalidArgument, "ENTRY_TOO_LARGE"};
    case Reason::kFieldInvalid:
      return {kInvalidArgument, "FIELD_INVALID"};
    case Reason::kMessageInvalid:
      return {kInvalidArgument, "MESSAGE_INVALID"};
    case Reason::kRangeInvalid:
      return {kInvalidArgument, "RANGE_INVALID"};
    case Reason::kPatternInvalid:
      return {kInvalidArgument, "PATTERN_INVALID"};
    case Reason::kTokenInvalid:
      return {kInvalidArgument, "TOKEN_INVALID"};
    case Reason::kConfigInvalid:
      return {kInvalidArgument, "CONFIG_INVALID"};
    case Reason::kTooManyOperations:
      return {kInvalidArgument, "TOO_MANY_OPERATIONS"};
    case Reason::kWrongType:
      return {kFailedPrecondition, "WRONG_TYPE"};
    case Reason::kNotAnInteger:
      return {kFailedPrecondition, "NOT_AN_INTEGER"};
    case Reason::kDurabilityUnavailable:
      return {kFailedPrecondition, "DURABILITY_UNAVAILABLE"};
    case Reason::kRequestIdReused:
      return {kFailedPrecondition, "REQUEST_ID_REUSED"};
    case Reason::kConfigRestartRequired:
      return {kFailedPrecondition, "CONFIG_RESTART_REQUIRED"};
    case Reason::kIndexDisabled:
      return {kFailedPrecondition, "INDEX_DISABLED"};
    case Reason::kConfirmationRequired:
      return {kFailedPrecondition, "CONFIRMATION_REQUIRED"};
    case Reason::kConfigVersionMismatch:
      return {kAborted, "CONFIG_VERSION_MISMATCH"};
    case Reason::kTransitionInProgress:
      return {kAborted, "TRANSITION_IN_PROGRESS"};
    case Reason::kIncrementOverflow:
      return {kOutOfRange, "INCREMENT_OVERFLOW"};
    case Reason::kRevisionInFuture:
      return {kOutOfRange, "REVISION_IN_FUTURE"};
    case Reason::kMemoryLimit:
      return {kResourceExhausted, "MEMORY_LIMIT"};
    case Reason::kDiskLimit:
      return {kResourceExhausted, "DISK_LIMIT"};
    case Reason::kResponseTooLarge:
      return {kResourceExhausted, "RESPONSE_TOO_LARGE"};
    case Reason::kScanExpired:
      return {kResourceExhausted, "SCAN_EXPIRED"};
    case Reason::kOverloaded:
      return {kResourceExhausted, "OVERLOADED"};
    case Reason::kLoading:
      return {kUnavailable, "LOADING"};
    case Reason::kShuttingDown:
      return {kUnavailable, "SHUTTING_DOWN"};
    case Reason::kWritesSuspended:
      return {kUnavailable, "WRITES_SUSPENDED"};
    case Reason::kNotDurable:
      return {kUnavailable, "NOT_DURABLE"};
    case Reason::kOutcomeUnknown:
      return {kUnknown, "OUTCOME_UNKNOWN"};
    case Reason::kExpiredInQueue:
      return {kDeadlineExceeded, "EXPIRED_IN_QUEUE"};
    case Reason::kCancelledInQueue:
      return {kCancelled, "CANCELLED_IN_QUEUE"};
    case Reason::kLegacyConfigOff:
      return {kPermissionDenied, "LEGACY_CONFIG_OFF"};
    case Reason::kChecksum:
      return {kDataLoss, "CHECKSUM"};
    case Reason::kInternal:
      return {kInternal, "INTERNAL"};
  }
  return {kInternal, "INTERNAL"};
}

void set_facts(absl::Status& status, const std::map<std::string, std::string>& facts) {
  std::string packed;
  for (const auto& [name, value] : facts) packed += fmt::format("{}={}\n", name, value);
  status.SetPayload(kFactsUrl, absl::Cord(packed));
}

}  // namespace

std::string_view word(Reason reason) noexcept { return meaning(reason).word; }

absl::Status error(Reason reason, std::string_view text) {
  const Meaning m = meaning(reason);
  absl::Status status(m.code, fmt::format("{}: {}", m.word, text));
  status.SetPayload(kReasonUrl, absl::Cord(to_absl(m.word)));
  return status;
}

absl::Status error(Reason reason, std::string_view text, const std::map<std::string, std::string>& facts) {
  absl::Status status = error(reason, text);
  set_facts(status, facts);
  return status;
}

absl::Status with_fact(absl::Status status, const std::string& name, const std::string& value) {
  if (status.ok()) return status;
  std::map<std::string, std::string> facts = facts_of(status);
  facts[name] = value;
  set_facts(status, facts);
  return status;
}

absl::Status error_of_peer(absl::StatusCode code, std::string_view reason_word, std::string_view message) {
  absl::Status status(code, to_absl(message));
  if (!reason_word.empty()) status.SetPayload(kReasonUrl, absl::Cord(to_absl(reason_word)));
  return status;
}

std::string reason_of(const absl::Status& status) {
  const auto payload = status.GetPayload(kReasonUrl);
  return payload ? std::string(*payload) : std::string();
}

bool has_reason(const absl::Status& status, Reason reason) { return reason_of(status) == word(reason); }

std::map<std::string, std::string> facts_of(const absl::Status& status) {
  std::map<std::string, std::string> facts;
  const auto payload = status.GetPayload(kFactsUrl);
  if (!payload) return facts;
  const std::string packed(*payload);
  for (std::string_view rest = packed; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t equals = line.find('=');
    if (equals != line.npos) facts.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return facts;
}

}  // namespace kv
