#include "server/many_requests.h"

#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "core/error.h"
#include "core/wire.h"
#include "server/operation_decoder.h"
#include "server/range_request.h"
#include "server/request_check.h"
#include "server/unknown_fields.h"

namespace kv {

namespace v1 = kvstore::v1;

namespace {

enum : std::uint32_t { kKeys = 1, kOmitValues = 2, kConsistent = 3 };

absl::Status too_many(std::string_view what, std::size_t limit) {
  return error(Reason::kTooManyOperations, fmt::format("{} has more than {} keys", what, limit),
               {{"field", "keys"}, {"limit", std::to_string(limit)}});
}

}  // namespace

absl::StatusOr<WantedKeys> read_multi_get(const Limits& limits, std::string_view message) {
  WantedKeys wanted;
  UnknownField unknown;
  WireReader reader(message);
  while (reader.next()) {
    switch (reader.tag()) {
      case wire_tag(kKeys, WireType::kBytes):
        if (wanted.keys.size() == kMultiGetKeysMax) return too_many("a call", kMultiGetKeysMax);
        wanted.keys.push_back(reader.bytes());
        break;
      case wire_tag(kOmitValues, WireType::kVarint):
        wanted.omit_values = reader.boolean();
        break;
      case wire_tag(kConsistent, WireType::kVarint):
        wanted.consistent = reader.boolean();
        break;
      default:
        unknown.note("", reader.field());
        reader.skip();
    }
  }
  if (reader.failed()) return error(Reason::kMessageInvalid, "the bytes are not a kvstore.v1.MultiGetRequest");
  if (unknown.number != 0) return refuse_unknown(unknown);
  for (std::size_t i = 0; i < wanted.keys.size(); ++i) {
    const absl::Status checked = check_key(limits, wanted.keys[i]);
    if (!checked.ok()) return with_fact(checked, "index", std::to_string(i));
  }
  if (wanted.consistent && wanted.keys.size() > kConsistentKeysMax)
    return too_many("a call for keys at one revision", kConsistentKeysMax);
  return wanted;
}

absl::StatusOr<RangeDeletion> range_deletion_of(const v1::DeleteRangeRequest& request) {
  if (const absl::Status known = refuse_unknown_fields(request); !known.ok()) return known;
  absl::StatusOr<KeyRange> range = key_range_of(request.range());
  if (!range.ok()) return range.status();
  const absl::StatusOr<WriteOptions> options = write_options_of(request.options());
  if (!options.ok()) return options.status();
  if (range->is_everything() && !request.confirm_all() && !request.dry_run()) {
    return error(Reason::kConfirmationRequired, "this range is every key: say so with confirm_all",
                 {{"field", "confirm_all"}});
  }
  return RangeDeletion{*std::move(range), *options, request.dry_run()};
}

}  // namespace kv
