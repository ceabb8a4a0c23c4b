#include "client/cli/config_arguments.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "client/cli/commands.h"
#include "client/cli/text.h"
#include "core/absl_text.h"
#include "core/units.h"

namespace kv {
namespace {

constexpr std::uint64_t kInt32Max = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t kInt64Max = std::numeric_limits<std::int64_t>::max();

struct ModeRow {
  kvstore::StorageMode mode;
  bool snapshots;
  bool log;
  std::string_view usage;
};

constexpr ModeRow kModes[] = {
    {kvstore::SNAPSHOT, true, false, "config SNAPSHOT <snapshot_interval> <max_snapshots>"},
    {kvstore::AOF, false, true, "config AOF <aof_max_size>"},
    {kvstore::HYBRID, true, true, "config HYBRID <snapshot_interval> <max_snapshots> <aof_max_size>"},
    {kvstore::NON_PERSISTENT, false, false, "config NON_PERSISTENT"},
};

absl::Status refuse(std::string_view line) { return absl::InvalidArgumentError(to_absl(line)); }

// NON_PERSISTENT and non-persistent are the same word.
const ModeRow* find_mode(std::string_view word) {
  std::string name = in_lower_case(word);
  std::replace(name.begin(), name.end(), '-', '_');
  for (const ModeRow& row : kModes) {
    if (in_lower_case(kModeWords[row.mode]) == name) return &row;
  }
  return nullptr;
}

absl::StatusOr<std::uint64_t> positive(std::string_view name, const std::string& text,
                                       std::optional<std::uint64_t> value, std::uint64_t max) {
  if (value && *value >= 1 && *value <= max) return *value;
  return refuse(fmt::format("{} must be a positive number up to {}, not {}", name, max, kv::quoted(text)));
}

std::optional<std::uint64_t> number(const std::string& text) {
  const auto parsed = parse_number(text);
  return parsed.ok() ? std::optional(*parsed) : std::nullopt;
}

std::optional<std::uint64_t> seconds(const std::string& text) {
  if (const auto bare = number(text)) return bare;
  const auto parsed = parse_duration(text);
  if (!parsed.ok() || *parsed % std::chrono::seconds(1) != std::chrono::milliseconds(0)) return std::nullopt;
  return static_cast<std::uint64_t>(*parsed / std::chrono::seconds(1));
}

std::optional<std::uint64_t> bytes(const std::string& text) {
  const auto parsed = parse_size(text);
  return parsed.ok() ? std::optional(*parsed) : std::nullopt;
}

}  // namespace

absl::StatusOr<kvstore::ConfigRequest> parse_config(std::span<const std::string> arguments) {
  if (arguments.empty()) return refuse(fmt::format("Usage: {}", find_command("config")->usage));
  const ModeRow* mode = find_mode(arguments.front());
  if (mode == nullptr) {
    return refuse(fmt::format("Unknown storage mode {}. Available modes: SNAPSHOT, AOF, HYBRID, NON_PERSISTENT",
                              kv::quoted(arguments.front())));
  }
  kvstore::ConfigRequest request;
  request.set_storage_mode(mode->mode);
  const auto numbers = arguments.subspan(1);
  if (numbers.empty()) return request;
  const std::size_t expected = (mode->snapshots ? 2u : 0u) + (mode->log ? 1u : 0u);
  if (numbers.size() != expected) return refuse(fmt::format("Usage: {}", mode->usage));
  if (mode->snapshots) {
    const auto interval = positive("snapshot_interval", numbers[0], seconds(numbers[0]), kInt32Max);
    if (!interval.ok()) return interval.status();
    const auto kept = positive("max_snapshots", numbers[1], number(numbers[1]), kInt32Max);
    if (!kept.ok()) return kept.status();
    request.set_snapshot_interval(static_cast<std::int32_t>(*interval));
    request.set_max_snapshots(static_cast<std::int32_t>(*kept));
  }
  if (mode->log) {
    const auto size = positive("aof_max_size", numbers.back(), bytes(numbers.back()), kInt64Max);
    if (!size.ok()) return size.status();
    request.set_aof_max_size(static_cast<std::int64_t>(*size));
  }
  return request;
}

}  // namespace kv
