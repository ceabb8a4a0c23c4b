#include "server/scan_plan.h"

#include <algorithm>
#include <memory>

#include "core/checksum.h"
#include "core/error.h"
#include "server/key_pattern.h"
#include "server/operation_decoder.h"
#include "server/range_request.h"
#include "server/unknown_fields.h"

namespace kv {

namespace v1 = kvstore::v1;

namespace {

std::uint64_t hash_of(const v1::ScanRequest& request) {
  v1::ScanRequest selection;  // what decides which keys the scan shows
  *selection.mutable_range() = request.range();
  selection.set_glob(request.glob());
  selection.set_type(request.type());
  return checksum64(as_bytes(selection.SerializeAsString()), 0);
}

}  // namespace

absl::StatusOr<ScanPlan> scan_plan_of(const v1::ScanRequest& request, std::uint64_t store, const Limits& limits) {
  if (const absl::Status known = refuse_unknown_fields(request); !known.ok()) return known;
  ScanPlan plan;
  if (!v1::ScanConsistency_IsValid(request.consistency())) return refuse_field("consistency", "is unknown");
  if (!v1::ValueType_IsValid(request.type())) return refuse_field("type", "is unknown");
  if (request.ordered()) return error(Reason::kIndexDisabled, "there is no index in the order of keys");
  plan.snapshot = request.consistency() != v1::SCAN_CONSISTENCY_RELAXED;
  plan.values = request.include_values();
  plan.limit = request.limit();
  if (request.max_chunk_bytes() != 0)
    plan.chunk_bytes = std::min<std::size_t>(request.max_chunk_bytes(), kScanChunkBytesMax);
  plan.options.budget_bytes = limits.scan_budget_bytes;
  absl::StatusOr<KeyRange> range = key_range_of(request.range());
  if (!range.ok()) return range.status();
  plan.options.range = *std::move(range);
  std::shared_ptr<const KeyPattern> pattern;
  if (!request.glob().empty()) {
    absl::StatusOr<KeyPattern> compiled = KeyPattern::compile(request.glob());
    if (!compiled.ok()) return compiled.status();
    pattern = std::make_shared<const KeyPattern>(*std::move(compiled));
  }
  const auto type = static_cast<ValueType>(request.type());
  if (pattern != nullptr || request.type() != v1::VALUE_TYPE_UNSPECIFIED) {
    plan.options.matches = [pattern, type, any = request.type() == v1::VALUE_TYPE_UNSPECIFIED](const Entry& entry) {
      return (any || entry.type() == type) && (pattern == nullptr || pattern->matches(entry.key()));
    };
  }
  plan.identity = {store, hash_of(request)};
  if (request.resume_token().empty()) return plan;
  const absl::StatusOr<WalkPlace> from = read_scan_token(plan.identity, request.resume_token());
  if (!from.ok()) return from.status();
  plan.from = *from;
  return plan;
}

}  // namespace kv
