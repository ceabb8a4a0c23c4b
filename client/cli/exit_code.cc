#include "client/cli/exit_code.h"

#include "client/cli/connection.h"
#include "core/error.h"

namespace kv {
namespace {

bool is_limit(const absl::Status& status) {
  return has_reason(status, Reason::kKeyTooLarge) || has_reason(status, Reason::kEntryTooLarge);
}

}  // namespace

ExitCode exit_code_of(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kDone;
    case absl::StatusCode::kCancelled:
      return reason_of(status) == kInterruptedWord ? ExitCode::kInterrupted : ExitCode::kFailed;
    case absl::StatusCode::kInvalidArgument:
      return is_limit(status) ? ExitCode::kRefused : ExitCode::kUsage;
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kDeadline;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return ExitCode::kNotAllowed;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kOutOfRange:
      return ExitCode::kRefused;
    case absl::StatusCode::kUnavailable:
      // With a reason word a server answered, and said no; without one nobody did.
      return reason_of(status).empty() ? ExitCode::kUnreachable : ExitCode::kRefused;
    case absl::StatusCode::kDataLoss:
      return ExitCode::kDamage;
    default:
      return ExitCode::kFailed;
  }
}

}  // namespace kv
