#include "core/error.h"

#include <catch2/catch.hpp>

#include "core/absl_text.h"

namespace kv {

TEST_CASE("error: the reason word opens the message, is carried along, and fixes the code") {
  const absl::Status status = error(Reason::kKeyTooLarge, "70000 bytes");
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(message_of(status) == "KEY_TOO_LARGE: 70000 bytes");
  CHECK(reason_of(status) == "KEY_TOO_LARGE");
  CHECK(has_reason(status, Reason::kKeyTooLarge));
  CHECK_FALSE(has_reason(status, Reason::kEmptyKey));
}

TEST_CASE("error: codes that tell a caller what to do are the ones promised") {
  CHECK(error(Reason::kLoading, "").code() == absl::StatusCode::kUnavailable);
  CHECK(error(Reason::kNotDurable, "").code() == absl::StatusCode::kUnavailable);
  CHECK(error(Reason::kOutcomeUnknown, "").code() == absl::StatusCode::kUnknown);
  CHECK(error(Reason::kTransitionInProgress, "").code() == absl::StatusCode::kAborted);
  CHECK(error(Reason::kConfigVersionMismatch, "").code() == absl::StatusCode::kAborted);
  CHECK(error(Reason::kRevisionInFuture, "").code() == absl::StatusCode::kOutOfRange);
  CHECK(error(Reason::kWrongType, "").code() == absl::StatusCode::kFailedPrecondition);
  CHECK(error(Reason::kResponseTooLarge, "").code() == absl::StatusCode::kResourceExhausted);
  CHECK(error(Reason::kChecksum, "").code() == absl::StatusCode::kDataLoss);
}

TEST_CASE("error: facts come back as they were given") {
  const std::map<std::string, std::string> facts{{"limit", "65536"}, {"path", "a=b"}, {"empty", ""}};
  const absl::Status status = error(Reason::kKeyTooLarge, "too long", facts);
  CHECK(facts_of(status) == facts);
  CHECK(has_reason(status, Reason::kKeyTooLarge));
}

TEST_CASE("error: a status of somebody else has no reason and no facts") {
  CHECK(reason_of(absl::OkStatus()).empty());
  CHECK(reason_of(absl::InternalError("KEY_TOO_LARGE: looks like one")).empty());
  CHECK(facts_of(absl::InternalError("x")).empty());
}

}  // namespace kv
