// Times at which keys expire, as people write and read them.
//
// Threads: free functions. Errors: INVALID_ARGUMENT; the message is the line to show.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <google/protobuf/timestamp.pb.h>

#include "absl/status/statusor.h"
#include "kvstore/v1/types.pb.h"

namespace kv {

// "90s", "5m", "never", or a moment: "2030-01-31T08:00:00Z".
absl::StatusOr<kvstore::v1::Expiry> parse_expiry(std::string_view word);
// "90s" only.
absl::StatusOr<kvstore::v1::Expiry> parse_ttl(std::string_view word);

std::int64_t unix_millis(const google::protobuf::Timestamp& time);
google::protobuf::Timestamp timestamp_of(std::int64_t unix_millis);
// "2030-01-31T08:00:00.250Z".
std::string moment(const google::protobuf::Timestamp& time);
absl::StatusOr<google::protobuf::Timestamp> parse_moment(std::string_view text);

}  // namespace kv
