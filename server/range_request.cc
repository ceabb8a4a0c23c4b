#include "server/range_request.h"

#include <fmt/format.h>

#include "core/error.h"

namespace kv {

namespace v1 = kvstore::v1;

absl::StatusOr<KeyRange> key_range_of(const v1::KeyRange& message) {
  if (message.prefix().empty()) {
    if (message.end().empty() || message.start() <= message.end()) return KeyRange{message.start(), message.end()};
    return error(Reason::kRangeInvalid, "the range ends before it starts", {{"field", "range"}});
  }
  if (message.start().empty() && message.end().empty()) return KeyRange::with_prefix(message.prefix());
  return error(Reason::kRangeInvalid, "a range is either a prefix or a start and an end", {{"field", "range"}});
}

absl::StatusOr<std::optional<Level>> level_of(const v1::WriteOptions& options) {
  if (!options.request_id().empty()) {
    return error(Reason::kFieldInvalid, "options.request_id is not supported here", {{"field", "options.request_id"}});
  }
  switch (options.durability()) {
    case v1::DURABILITY_UNSPECIFIED:
      return std::nullopt;
    case v1::DURABILITY_MEMORY:
      return Level::kMemory;
    case v1::DURABILITY_OS:
      return Level::kOs;
    case v1::DURABILITY_DISK:
      return Level::kDisk;
    case v1::DURABILITY_QUORUM:
      return error(Reason::kDurabilityUnavailable, "this is one server, there is no quorum");
    default:
      return error(Reason::kFieldInvalid,
                   fmt::format("options.durability is {}, which is no level", static_cast<int>(options.durability())),
                   {{"field", "options.durability"}});
  }
}

}  // namespace kv
