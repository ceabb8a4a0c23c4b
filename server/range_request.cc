#include "server/range_request.h"

#include "core/error.h"
#include "server/operation_decoder.h"

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

absl::StatusOr<WriteOptions> write_options_of(const v1::WriteOptions& message) {
  DecodedOperation::Options fields;
  fields.durability = message.durability();
  fields.request_id = message.request_id();
  WriteOptions options;
  if (absl::Status finished = finish(fields, options); !finished.ok()) return finished;
  return options;
}

}  // namespace kv
