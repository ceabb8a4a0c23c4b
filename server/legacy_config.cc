#include "server/legacy_config.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.h"

namespace kv {
namespace {

absl::StatusOr<Mode> mode_of(kvstore::StorageMode mode) {
  switch (mode) {
    case kvstore::SNAPSHOT:
      return Mode::kSnapshot;
    case kvstore::AOF:
      return Mode::kAof;
    case kvstore::HYBRID:
      return Mode::kHybrid;
    case kvstore::NON_PERSISTENT:
      return Mode::kNonPersistent;
    default:
      return error(Reason::kConfigInvalid,
                   fmt::format("storage_mode {} is not a mode; there are 0 to 3", static_cast<int>(mode)),
                   {{"field", "storage_mode"}});
  }
}

absl::Status check_not_negative(std::string_view field, std::int64_t value) {
  if (value >= 0) return absl::OkStatus();
  return error(Reason::kConfigInvalid, fmt::format("{} is {}, but must not be negative", field, value),
               {{"field", std::string(field)}});
}

// The old defaults are ours.
const Settings kDefaults;

// The check speaks of flags; the caller filled fields.
absl::Status with_field(const absl::Status& invalid) {
  auto facts = facts_of(invalid);
  const std::string flag = facts["setting"];
  const std::string field = flag == "snapshot-interval" ? "snapshot_interval"
                            : flag == "max-snapshots"   ? "max_snapshots"
                                                        : "";
  if (field.empty()) return invalid;
  return error(Reason::kConfigInvalid, fmt::format("{} is {}, it must be {}", field, facts["value"], facts["bounds"]),
               {{"field", field}});
}

template <class T>
T or_default(std::int64_t value, T default_value) {
  return value == 0 ? default_value : static_cast<T>(value);
}

}  // namespace

absl::StatusOr<SettingsChange> settings_change_of(const kvstore::ConfigRequest& request, const Settings& current) {
  const absl::StatusOr<Mode> mode = mode_of(request.storage_mode());
  if (!mode.ok()) return mode.status();
  for (const auto& [field, value] :
       {std::pair<std::string_view, std::int64_t>("snapshot_interval", request.snapshot_interval()),
        {"max_snapshots", request.max_snapshots()},
        {"aof_max_size", request.aof_max_size()}}) {
    if (const absl::Status checked = check_not_negative(field, value); !checked.ok()) return checked;
  }
  SettingsChange change;
  change.mode = *mode;
  if (*mode == Mode::kSnapshot || *mode == Mode::kHybrid) {
    change.snapshot_interval = request.snapshot_interval() == 0 ? kDefaults.snapshot_interval
                                                                : std::chrono::seconds(request.snapshot_interval());
    change.max_snapshots = or_default(request.max_snapshots(), kDefaults.max_snapshots);
  }
  if (has_log(*mode)) {
    const std::uint64_t bytes = or_default(request.aof_max_size(), kDefaults.log_segment_bytes);
    change.log_segment_bytes = std::min(bytes, kLogSegmentBounds.max);  // every positive size is a size to old clients
  }
  if (const absl::Status valid = validate(with_change(current, change)); !valid.ok()) return with_field(valid);
  return change;
}

}  // namespace kv
