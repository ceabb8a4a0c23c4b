#include "client/cli/expiry_text.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include "client/cli/commands.h"
#include "core/absl_text.h"
#include "core/units.h"

namespace kv {
namespace {

using google::protobuf::Timestamp;
using google::protobuf::util::TimeUtil;
using kvstore::v1::Expiry;
using std::chrono::milliseconds;

absl::Status refuse(std::string_view line) { return absl::InvalidArgumentError(to_absl(line)); }

// By hand: the library's own conversion ends the process above 10,000 years. What is too long is the server's to say.
Expiry ttl_of(milliseconds duration) {
  Expiry expiry;
  expiry.mutable_ttl()->set_seconds(duration / std::chrono::seconds(1));
  expiry.mutable_ttl()->set_nanos(static_cast<std::int32_t>((duration % std::chrono::seconds(1)).count() * 1'000'000));
  return expiry;
}

}  // namespace

absl::StatusOr<Expiry> parse_ttl(std::string_view word) {
  const auto duration = parse_duration(word);
  if (!duration.ok() || *duration <= milliseconds(0)) {
    return refuse(fmt::format("'{}' is no duration such as 250ms, 90s, 5m, 12h or 30d", word));
  }
  return ttl_of(*duration);
}

absl::StatusOr<Expiry> parse_expiry(std::string_view word) {
  Expiry expiry;
  if (in_lower_case(word) == "never") {
    expiry.set_never(true);
    return expiry;
  }
  const auto duration = parse_duration(word);
  if (duration.ok() && *duration > milliseconds(0)) return ttl_of(*duration);
  const auto time = parse_moment(word);
  if (!time.ok()) {
    return refuse(fmt::format(
        "'{}' is none of: a duration such as 90s or 30d, a moment such as 2030-01-31T08:00:00Z, never", word));
  }
  *expiry.mutable_at() = *time;
  return expiry;
}

std::int64_t unix_millis(const Timestamp& time) { return time.seconds() * 1000 + time.nanos() / 1'000'000; }

Timestamp timestamp_of(std::int64_t unix_millis) {
  Timestamp time;
  std::int64_t seconds = unix_millis / 1000;
  std::int64_t rest = unix_millis % 1000;
  if (rest < 0) {
    --seconds;
    rest += 1000;
  }
  time.set_seconds(seconds);
  time.set_nanos(static_cast<std::int32_t>(rest * 1'000'000));
  return time;
}

std::string moment(const Timestamp& time) {
  const bool printable =
      time.seconds() >= TimeUtil::kTimestampMinSeconds && time.seconds() <= TimeUtil::kTimestampMaxSeconds;
  // A time of no year, which only a broken server sends.
  return printable ? TimeUtil::ToString(timestamp_of(unix_millis(time))) : std::to_string(time.seconds());
}

absl::StatusOr<Timestamp> parse_moment(std::string_view text) {
  Timestamp time;
  if (!TimeUtil::FromString(std::string(text), &time)) {
    return refuse(fmt::format("'{}' is no moment such as 2030-01-31T08:00:00Z", text));
  }
  return time;
}

}  // namespace kv
