#include "server/many_requests.h"

#include <fmt/format.h>

#include "core/error.h"
#include "server/range_request.h"
#include "server/request_check.h"
#include "server/unknown_fields.h"

namespace kv {

namespace v1 = kvstore::v1;

absl::Status check_multi_get(const Limits& limits, const v1::MultiGetRequest& request) {
  if (const absl::Status known = refuse_unknown_fields(request); !known.ok()) return known;
  for (int i = 0; i < request.keys_size(); ++i) {
    const absl::Status checked = check_key(limits, request.keys(i));
    if (!checked.ok()) return with_fact(checked, "index", std::to_string(i));
  }
  if (!request.consistent() || request.keys_size() <= kConsistentKeysMax) return absl::OkStatus();
  return error(
      Reason::kTooManyOperations,
      fmt::format("{} keys at one revision are asked for, the limit is {}", request.keys_size(), kConsistentKeysMax),
      {{"field", "keys"}, {"limit", std::to_string(kConsistentKeysMax)}});
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
