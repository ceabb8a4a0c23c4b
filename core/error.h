// Errors with a stable reason word.
//
// Every error a caller can see is an absl::Status whose message begins with one of the words below and which carries
// that word as a payload, so that it survives being passed through layers that know nothing about it. A reason has
// exactly one status code: the code says what kind of trouble it is, the word says which.
//
// Texts may change between releases. Words may not.
// Threads: free functions, safe from any thread. Cold: what leads to one is laid out away from what everybody runs.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace kv {

enum class Reason {
  // INVALID_ARGUMENT
  kEmptyKey,
  kKeyTooLarge,
  kKeyNotUtf8,
  kEntryTooLarge,
  kFieldInvalid,
  kMessageInvalid,
  kRangeInvalid,
  kPatternInvalid,
  kTokenInvalid,
  kConfigInvalid,
  kTooManyOperations,
  // FAILED_PRECONDITION
  kWrongType,
  kNotAnInteger,
  kDurabilityUnavailable,
  kConfigRestartRequired,
  kIndexDisabled,
  kConfirmationRequired,
  kRequestIdReused,
  // ABORTED
  kConfigVersionMismatch,
  kTransitionInProgress,
  // OUT_OF_RANGE
  kIncrementOverflow,
  kRevisionInFuture,
  // RESOURCE_EXHAUSTED
  kMemoryLimit,
  kDiskLimit,
  kResponseTooLarge,
  kScanExpired,
  kOverloaded,
  // UNAVAILABLE
  kLoading,
  kShuttingDown,
  kWritesSuspended,
  kNotDurable,
  // UNKNOWN
  kOutcomeUnknown,
  // DEADLINE_EXCEEDED
  kExpiredInQueue,
  // CANCELLED
  kCancelledInQueue,
  // PERMISSION_DENIED
  kLegacyConfigOff,
  // DATA_LOSS
  kChecksum,
  // INTERNAL
  kInternal,
};

// The stable word of a reason, for example "EMPTY_KEY".
std::string_view word(Reason reason) noexcept;

// A status of the reason's code whose message reads "WORD: text".
[[gnu::cold]] absl::Status error(Reason reason, std::string_view text);

// The same, with facts for programs (a limit, a field path, an offset). Values are plain text.
[[gnu::cold]] absl::Status error(Reason reason, std::string_view text, const std::map<std::string, std::string>& facts);

// The same status with one fact more. For an error that has no reason word too.
[[gnu::cold]] absl::Status with_fact(absl::Status status, const std::string& name, const std::string& value);

// The same for a reason that came over the wire: the word is the peer's, perhaps newer than our list. The message is
// left as it came, because a peer that sends a word has put it in front of the message already.
[[gnu::cold]] absl::Status error_of_peer(absl::StatusCode code, std::string_view reason_word, std::string_view message);

// The reason word of a status made by error() or error_of_peer(), or an empty string.
[[gnu::cold]] std::string reason_of(const absl::Status& status);
[[gnu::cold]] bool has_reason(const absl::Status& status, Reason reason);

// The facts given to error() and with_fact(), or an empty map.
std::map<std::string, std::string> facts_of(const absl::Status& status);

}  // namespace kv
