#include "tests/fuzz/request_config.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "server/admin_config.h"
#include "server/legacy_config.h"
#include "server/unknown_fields.h"
#include "tests/fuzz/target.h"

namespace kv::fuzz {
namespace {

namespace v1 = kvstore::v1;
using google::protobuf::FieldDescriptor;

constexpr std::uint64_t kAutomaticMemory = std::uint64_t{3} << 30;

FixedConfig fixed_config() {
  FixedConfig fixed;
  fixed.message_bytes_max = std::size_t{8} << 20;
  fixed.automatic_memory_bytes = kAutomaticMemory;
  return fixed;
}

// What requests are held against: settings as they are at first, and others.
std::array<Settings, 2> settings_before() {
  Settings other;
  other.mode = Mode::kAof;
  other.fsync = FsyncPolicy::kInterval;
  other.max_memory_bytes = std::uint64_t{1} << 30;
  other.keep_past_generations = 0;
  other.log_level = LogLevel::kError;
  return {Settings(), other};
}

// Of one field, as text: absent and default are the same.
std::string field_of(const v1::Config& config, const FieldDescriptor* field) {
  const google::protobuf::Reflection& reflection = *config.GetReflection();
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
    return reflection.GetMessage(config, field).SerializeAsString();
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) return fmt::to_string(reflection.GetEnumValue(config, field));
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32) return fmt::to_string(reflection.GetUInt32(config, field));
  return fmt::to_string(reflection.GetUInt64(config, field));
}

std::set<std::string> named_fields(const v1::UpdateConfigRequest& request) {
  const auto& paths = request.update_mask().paths();
  if (!paths.empty()) return {paths.begin(), paths.end()};
  std::vector<const FieldDescriptor*> filled;
  request.config().GetReflection()->ListFields(request.config(), &filled);
  std::set<std::string> names;
  for (const FieldDescriptor* field : filled) names.insert(field->name());
  return names;
}

// What is named has the value that was asked for, and nothing else has changed.
void check_target(const v1::UpdateConfigRequest& request, const v1::Config& before, const v1::Config& after) {
  const std::set<std::string> named = named_fields(request);
  const google::protobuf::Descriptor& descriptor = *v1::Config::descriptor();
  for (const std::string& name : named) {
    if (descriptor.FindFieldByName(name) == nullptr) wrong("a mask with a path that does not exist was taken: " + name);
  }
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor* field = descriptor.field(i);
    std::string expected = field_of(named.contains(field->name()) ? request.config() : before, field);
    if (field->name() == "max_memory_bytes" && expected == "0") expected = fmt::to_string(kAutomaticMemory);
    if (field_of(after, field) == expected) continue;
    wrong(fmt::format("{} of: {}\nis {}, not {}", field->name(), request.ShortDebugString(), field_of(after, field),
                      expected));
  }
}

// Whoever reads the settings may send them back as they are.
void check_repeated(const Settings& settings, const v1::Config& config, const FixedConfig& fixed) {
  v1::UpdateConfigRequest request;
  *request.mutable_config() = config;
  const auto again = asked_change_of(request, settings, fixed);
  if (!again.ok()) wrong("what is in force is refused: " + again.status().ToString());
  if (again->target != settings) wrong("what is in force changes when it is sent back: " + config.ShortDebugString());
}

void check_update(const v1::UpdateConfigRequest& request, const Settings& before, const FixedConfig& fixed) {
  const auto asked = asked_change_of(request, before, fixed);
  if (!asked.ok()) return check_refusal(asked.status());
  ++taken;
  if (!validate(asked->target).ok()) wrong("out of bounds, and taken: " + request.ShortDebugString());
  if (with_change(before, asked->change) != asked->target) wrong("the change does not make what was judged");
  const bool disabled = asked->change.mode == Mode::kNonPersistent;
  if (request.snapshot_before_disabling() && !disabled) wrong("a last snapshot, and nothing is disabled");
  const v1::Config after = config_message_of(asked->target, fixed);
  check_target(request, config_message_of(before, fixed), after);
  check_repeated(asked->target, after, fixed);
}

bool is_within(std::int64_t value, std::int64_t most) { return value >= 0 && value <= most; }

// Zero is the default of a field; what the mode has no use for is not looked at, but never negative.
bool is_lawful(const kvstore::ConfigRequest& request) {
  constexpr std::int64_t kYearSeconds = 365 * 24 * 3600;
  const bool snapshots = request.storage_mode() == kvstore::SNAPSHOT || request.storage_mode() == kvstore::HYBRID;
  const bool numbers = request.snapshot_interval() >= 0 && request.max_snapshots() >= 0 && request.aof_max_size() >= 0;
  const bool bounds =
      !snapshots || (is_within(request.snapshot_interval(), kYearSeconds) && is_within(request.max_snapshots(), 1000));
  return kvstore::StorageMode_IsValid(request.storage_mode()) && numbers && bounds;
}

}  // namespace

void decode_update_config(const std::string& bytes) {
  v1::UpdateConfigRequest request;
  if (!request.ParseFromString(bytes)) return;
  if (const absl::Status known = refuse_unknown_fields(request); !known.ok()) return check_refusal(known);
  const FixedConfig fixed = fixed_config();
  for (const Settings& before : settings_before()) check_update(request, before, fixed);
}

void decode_old_config(const std::string& bytes) {
  kvstore::ConfigRequest request;
  if (!request.ParseFromString(bytes)) return;
  for (const Settings& before : settings_before()) {
    const auto change = settings_change_of(request, before);
    if (change.ok() != is_lawful(request)) {
      wrong(fmt::format("{}: {}", request.ShortDebugString(), change.status().ToString()));
    }
    if (!change.ok()) return check_refusal(change.status());
    ++taken;
    const Settings after = with_change(before, *change);
    if (!validate(after).ok()) wrong("out of bounds, and taken: " + request.ShortDebugString());
    if (after.fsync != before.fsync || after.max_memory_bytes != before.max_memory_bytes)
      wrong("a setting that the old service does not know has changed");
    const auto size = static_cast<std::uint64_t>(request.aof_max_size());
    if (has_log(after.mode) && size != 0 && after.log_segment_bytes != std::min(size, kLogSegmentBounds.max))
      wrong("another size of segments: " + request.ShortDebugString());
    if (!has_log(after.mode) && after.log_segment_bytes != before.log_segment_bytes)
      wrong("a size of segments in a mode without any: " + request.ShortDebugString());
  }
}

}  // namespace kv::fuzz
