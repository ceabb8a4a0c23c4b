#include "client/cli/expiry_text.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include "core/absl_text.h"
#include "core/units.h"

namespace kv {
namespace {

using google::protobuf::Timestamp;
using google::protobuf::util::TimeUtil;
using kvstore::v1::Expiry;
using std::chrono::milliseconds;

absl::Status refuse(std::string_view line) { return absl::InvalidArgumentError(to_absl(line)); }

}  // namespace

absl::StatusOr<Expiry> parse_ttl(std::string_view word) {
  const auto duration = parse_duration(word);
  if (!duration.ok() || *duration <= milliseconds(0)) {
    return refuse(fmt::format("'{}' is no duration such as 250ms, 90s, 5m, 12h or 30d", word));
  }
  Expiry expiry;
  *expiry.mutable_ttl() = TimeUtil::MillisecondsToDuration(duration->count());
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

std::string about(milliseconds duration) {
  if (duration < std::chrono::seconds(1)) return fmt::format("{}ms", duration.count());
  const std::int64_t seconds = duration.count() / 1000;
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m {}s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h {}m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{}d {}h", seconds / 86400, seconds / 3600 % 24);
}

}  // namespace kv
