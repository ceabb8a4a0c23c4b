// The settings of persistence that MANIFEST keeps and that can change at run time.
// Units in names; bounds are checked by validate() and stated in the server's --help.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace kv {

// Words in files and flags: NON_PERSISTENT, SNAPSHOT, AOF, HYBRID.
enum class Mode : std::uint8_t { kNonPersistent, kSnapshot, kAof, kHybrid };
enum class FsyncPolicy : std::uint8_t { kAlways, kInterval, kNever };
// The least serious line that is logged. Words: debug, info, warning, error.
enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };
// How safe a write is: visible; handed to the kernel; on stable storage.
enum class Level : std::uint8_t { kMemory = 1, kOs = 2, kDisk = 3 };

constexpr bool has_log(Mode mode) { return mode == Mode::kAof || mode == Mode::kHybrid; }

std::string_view word(Mode mode) noexcept;
std::string_view word(FsyncPolicy policy) noexcept;
std::string_view word(Level level) noexcept;
std::string_view word(LogLevel level) noexcept;
// Any case, '-' and '_' alike. CONFIG_INVALID names the choices.
absl::StatusOr<Mode> parse_mode(std::string_view text);
absl::StatusOr<FsyncPolicy> parse_fsync_policy(std::string_view text);
absl::StatusOr<LogLevel> parse_log_level(std::string_view text);

struct Settings {
  Mode mode = Mode::kHybrid;
  std::chrono::milliseconds snapshot_interval{300'000};
  std::uint64_t snapshot_min_changes = 1;
  std::uint32_t max_snapshots = 5;
  std::uint64_t log_segment_bytes = 10 << 20;  // a segment holds no less than 1 MiB however small this is
  FsyncPolicy fsync = FsyncPolicy::kAlways;
  std::chrono::milliseconds fsync_interval{1000};
  std::uint32_t log_rewrite_growth_percent = 100;
  std::uint64_t log_rewrite_min_bytes = 64 << 20;
  std::uint32_t hybrid_log_from = 2;  // HYBRID keeps the log from the n-th newest snapshot on
  std::uint32_t keep_past_generations = 1;
  // What follows is no matter of persistence, but MANIFEST keeps it for the server.
  std::uint64_t max_memory_bytes = 0;  // 0: the server's own choice
  std::chrono::milliseconds slow_threshold{10};
  LogLevel log_level = LogLevel::kInfo;

  friend bool operator==(const Settings&, const Settings&) = default;
};

// Both ends included.
template <class Number>
struct Bounds {
  Number min;
  Number max;
};
inline constexpr Bounds<std::chrono::milliseconds> kSnapshotIntervalBounds{std::chrono::seconds(1),
                                                                           std::chrono::hours(24 * 365)};
inline constexpr Bounds<std::uint64_t> kSnapshotMinChangesBounds{0, 1'000'000'000'000};
inline constexpr Bounds<std::uint32_t> kMaxSnapshotsBounds{1, 1000};
inline constexpr Bounds<std::uint64_t> kLogSegmentBounds{1, std::uint64_t{1} << 40};
inline constexpr Bounds<std::chrono::milliseconds> kFsyncIntervalBounds{std::chrono::milliseconds(1),
                                                                        std::chrono::hours(1)};
inline constexpr Bounds<std::uint32_t> kLogRewriteGrowthBounds{1, 100'000};
inline constexpr Bounds<std::uint64_t> kLogRewriteMinBounds{1, std::uint64_t{1} << 50};
inline constexpr Bounds<std::uint32_t> kHybridLogFromBounds{1, 1000};
inline constexpr Bounds<std::uint32_t> kKeepPastGenerationsBounds{0, 1000};
inline constexpr Bounds<std::chrono::milliseconds> kSlowThresholdBounds{std::chrono::milliseconds(1),
                                                                        std::chrono::hours(1)};
inline constexpr Bounds<std::uint64_t> kMaxMemoryBounds{1 << 20, std::uint64_t{1} << 50};

// CONFIG_INVALID naming the setting, its value and its bounds.
absl::Status validate(const Settings& settings);

}  // namespace kv
