#include "persistence/settings.h"

#include <array>
#include <cctype>
#include <string>

#include <fmt/format.h>

#include "core/error.h"

namespace kv {
namespace {

using std::chrono::milliseconds;

// Upper case, '-' as '_': how a word typed by a person is compared.
std::string folded(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

absl::Status out_of_bounds(std::string_view name, std::string_view value, std::string_view bounds) {
  return error(Reason::kConfigInvalid, fmt::format("{} is {}, it must be {}", name, value, bounds),
               {{"setting", std::string(name)}, {"value", std::string(value)}, {"bounds", std::string(bounds)}});
}

template <class Number>
absl::Status check(std::string_view name, Number value, Bounds<Number> bounds) {
  if (value >= bounds.min && value <= bounds.max) return absl::OkStatus();
  return out_of_bounds(name, std::to_string(value), fmt::format("from {} to {}", bounds.min, bounds.max));
}

template <>
absl::Status check(std::string_view name, milliseconds value, Bounds<milliseconds> bounds) {
  if (value >= bounds.min && value <= bounds.max) return absl::OkStatus();
  return out_of_bounds(name, fmt::format("{} ms", value.count()),
                       fmt::format("from {} ms to {} ms", bounds.min.count(), bounds.max.count()));
}

template <class Choice, std::size_t N>
absl::StatusOr<Choice> choose(std::string_view what, std::string_view text, const std::array<Choice, N>& choices) {
  std::string names;
  for (const Choice choice : choices) {
    if (folded(text) == folded(word(choice))) return choice;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", word(choice));
  }
  return error(Reason::kConfigInvalid, fmt::format("{} '{}' is none of {}", what, text, names));
}

}  // namespace

std::string_view word(Mode mode) noexcept {
  switch (mode) {
    case Mode::kNonPersistent:
      return "NON_PERSISTENT";
    case Mode::kSnapshot:
      return "SNAPSHOT";
    case Mode::kAof:
      return "AOF";
    case Mode::kHybrid:
      return "HYBRID";
  }
  return "";
}

std::string_view word(FsyncPolicy policy) noexcept {
  switch (policy) {
    case FsyncPolicy::kAlways:
      return "always";
    case FsyncPolicy::kInterval:
      return "interval";
    case FsyncPolicy::kNever:
      return "never";
  }
  return "";
}

std::string_view word(Level level) noexcept {
  switch (level) {
    case Level::kMemory:
      return "memory";
    case Level::kOs:
      return "os";
    case Level::kDisk:
      return "disk";
  }
  return "";
}

std::string_view word(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "";
}

absl::StatusOr<Mode> parse_mode(std::string_view text) {
  return choose("mode", text, std::array{Mode::kNonPersistent, Mode::kSnapshot, Mode::kAof, Mode::kHybrid});
}

absl::StatusOr<FsyncPolicy> parse_fsync_policy(std::string_view text) {
  return choose("fsync", text, std::array{FsyncPolicy::kAlways, FsyncPolicy::kInterval, FsyncPolicy::kNever});
}

absl::StatusOr<LogLevel> parse_log_level(std::string_view text) {
  return choose("log-level", text, std::array{LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError});
}

absl::Status validate(const Settings& settings) {
  const std::uint64_t max_memory =
      settings.max_memory_bytes == 0 ? kMaxMemoryBounds.min : settings.max_memory_bytes;  // 0 is none to be checked
  const std::array checks{
      check("snapshot-interval", settings.snapshot_interval, kSnapshotIntervalBounds),
      check("snapshot-min-changes", settings.snapshot_min_changes, kSnapshotMinChangesBounds),
      check("max-snapshots", settings.max_snapshots, kMaxSnapshotsBounds),
      check("log-segment-size", settings.log_segment_bytes, kLogSegmentBounds),
      check("fsync-interval", settings.fsync_interval, kFsyncIntervalBounds),
      check("log-rewrite-growth", settings.log_rewrite_growth_percent, kLogRewriteGrowthBounds),
      check("log-rewrite-min-size", settings.log_rewrite_min_bytes, kLogRewriteMinBounds),
      check("hybrid-log-from", settings.hybrid_log_from, kHybridLogFromBounds),
      check("keep-past-generations", settings.keep_past_generations, kKeepPastGenerationsBounds),
      check("max-memory", max_memory, kMaxMemoryBounds),
      check("slow-threshold", settings.slow_threshold, kSlowThresholdBounds),
  };
  for (const absl::Status& status : checks) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace kv
