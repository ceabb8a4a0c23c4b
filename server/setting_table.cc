#include "server/setting_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <chrono>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "core/units.h"
#include "persistence/data_loss.h"
#include "persistence/settings.h"

namespace kv {
namespace {

constexpr std::uint64_t kKiB = 1 << 10;
constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kGiB = 1 << 30;
constexpr std::uint64_t kSecond = 1000;
constexpr std::uint64_t kHour = 3600 * kSecond;
constexpr std::uint64_t kYear = 365 * 24 * kHour;

// Of a stored setting: what storage holds to at a change while the server runs holds for a start too.
template <class Number>
constexpr std::uint64_t least(Bounds<Number> bounds) {
  return bounds.min;
}
template <class Number>
constexpr std::uint64_t most(Bounds<Number> bounds) {
  return bounds.max;
}
constexpr std::uint64_t least(Bounds<std::chrono::milliseconds> bounds) { return bounds.min.count(); }
constexpr std::uint64_t most(Bounds<std::chrono::milliseconds> bounds) { return bounds.max.count(); }

constexpr std::array kRows = {
    SettingRow{.flag = "listen",
               .type = SettingType::kAddress,
               .default_text = "127.0.0.1:50051",
               .repeatable = true,
               .help = "address of the gRPC services; repeatable"},
    SettingRow{.flag = "http-listen",
               .type = SettingType::kAddressOrOff,
               .default_text = "off",
               .help = "address of /metrics, /livez, /readyz and /version"},
    SettingRow{.flag = "data-dir",
               .type = SettingType::kText,
               .default_text = "data",
               .help = "where the data lives; locked while the server runs"},
    SettingRow{.flag = "mode",
               .type = SettingType::kMode,
               .default_text = "HYBRID",
               .choices = "NON_PERSISTENT|SNAPSHOT|AOF|HYBRID",
               .stored = true,
               .help = "what the disk holds"},
    SettingRow{.flag = "snapshot-interval",
               .type = SettingType::kDuration,
               .default_text = "300s",
               .minimum = least(kSnapshotIntervalBounds),
               .maximum = most(kSnapshotIntervalBounds),
               .stored = true,
               .help = "time between snapshots"},
    SettingRow{.flag = "snapshot-min-changes",
               .type = SettingType::kCount,
               .default_text = "1",
               .minimum = least(kSnapshotMinChangesBounds),
               .maximum = most(kSnapshotMinChangesBounds),
               .stored = true,
               .help = "skip a snapshot when fewer changes were made since the last"},
    SettingRow{.flag = "max-snapshots",
               .type = SettingType::kCount,
               .default_text = "5",
               .minimum = least(kMaxSnapshotsBounds),
               .maximum = most(kMaxSnapshotsBounds),
               .stored = true,
               .help = "snapshots kept"},
    SettingRow{.flag = "log-segment-size",
               .old_name = "aof-max-size",
               .type = SettingType::kSize,
               .default_text = "10MiB",
               .minimum = least(kLogSegmentBounds),
               .maximum = most(kLogSegmentBounds),
               .stored = true,
               .help = "size at which the log goes on in a new file (never below 1MiB)"},
    SettingRow{.flag = "fsync",
               .type = SettingType::kChoice,
               .default_text = "always",
               .choices = "always|interval|never",
               .stored = true,
               .help = "when the log is forced to disk"},
    SettingRow{.flag = "fsync-interval",
               .type = SettingType::kDuration,
               .default_text = "1s",
               .minimum = least(kFsyncIntervalBounds),
               .maximum = most(kFsyncIntervalBounds),
               .stored = true,
               .help = "the longest a write may wait for the disk under --fsync interval"},
    SettingRow{.flag = "log-rewrite-growth",
               .type = SettingType::kPercent,
               .default_text = "100%",
               .minimum = least(kLogRewriteGrowthBounds),
               .maximum = most(kLogRewriteGrowthBounds),
               .stored = true,
               .help = "compact the log when it outgrew its base by this much, and"},
    SettingRow{.flag = "log-rewrite-min-size",
               .type = SettingType::kSize,
               .default_text = "64MiB",
               .minimum = least(kLogRewriteMinBounds),
               .maximum = most(kLogRewriteMinBounds),
               .stored = true,
               .help = "is at least this large"},
    SettingRow{.flag = "keep-past-generations",
               .type = SettingType::kCount,
               .default_text = "1",
               .minimum = least(kKeepPastGenerationsBounds),
               .maximum = most(kKeepPastGenerationsBounds),
               .stored = true,
               .help = "folders below past/ that are kept"},
    SettingRow{.flag = "hybrid-log-from",
               .type = SettingType::kCount,
               .default_text = "2",
               .minimum = least(kHybridLogFromBounds),
               .maximum = most(kHybridLogFromBounds),
               .stored = true,
               .help = "HYBRID keeps the log from the n-th newest snapshot on"},
    SettingRow{.flag = "max-memory",
               .type = SettingType::kSizeOrAuto,
               .default_text = "auto",
               .minimum = least(kMaxMemoryBounds),
               .maximum = most(kMaxMemoryBounds),
               .stored = true,
               .help = "memory of the data; auto: 75 % of the machine's or the container's, whichever is less"},
    SettingRow{.flag = "slow-threshold",
               .type = SettingType::kDuration,
               .default_text = "10ms",
               .minimum = 1,
               .maximum = kHour,
               .stored = true,
               .help = "calls that take this long are listed as slow"},
    SettingRow{.flag = "max-key-bytes",
               .type = SettingType::kSize,
               .default_text = "64KiB",
               .minimum = 1,
               .maximum = kMiB,
               .help = "longest key"},
    SettingRow{.flag = "max-entry-bytes",
               .type = SettingType::kSize,
               .default_text = "4092KiB",
               .minimum = 1,
               .maximum = 8 * kMiB,
               .help = "largest key and value together"},
    SettingRow{.flag = "max-message-bytes",
               .type = SettingType::kSize,
               .default_text = "8MiB",
               .minimum = 64 * kKiB,
               .maximum = 256 * kMiB,
               .help = "largest request; raised to hold --max-entry-bytes"},
    SettingRow{.flag = "legacy-keys-max-bytes",
               .type = SettingType::kSize,
               .default_text = "64MiB",
               .minimum = 1,
               .maximum = kGiB,
               .help = "largest answer of the old Keys call"},
    SettingRow{.flag = "scan-budget",
               .type = SettingType::kSize,
               .default_text = "64MiB",
               .minimum = 64 * kKiB,
               .maximum = 64 * kGiB,
               .help = "old values that one Scan may make the server keep"},
    SettingRow{.flag = "max-scans",
               .type = SettingType::kCount,
               .default_text = "16",
               .minimum = 1,
               .maximum = 1024,
               .help = "scans under way at once"},
    SettingRow{.flag = "request-id-window",
               .type = SettingType::kDuration,
               .default_text = "10m",
               .minimum = kSecond,
               .maximum = kYear,
               .help = "how long the answer of a write with a request id is remembered"},
    SettingRow{.flag = "request-id-max",
               .type = SettingType::kCount,
               .default_text = "1000000",
               .minimum = 1,
               .maximum = 100'000'000,
               .help = "the most request ids that are remembered, about 100 bytes each; beyond it the oldest go"},
    SettingRow{.flag = "completion-queues",
               .type = SettingType::kCountOrAuto,
               .default_text = "auto",
               .minimum = 1,
               .maximum = 64,
               .help = "completion queues; auto: from the core count"},
    SettingRow{.flag = "threads-per-queue",
               .type = SettingType::kCount,
               .default_text = "1",
               .minimum = 1,
               .maximum = 16,
               .help = "pollers on each completion queue"},
    SettingRow{.flag = "shards",
               .type = SettingType::kPowerOfTwoOrAuto,
               .default_text = "auto",
               .minimum = 1,
               .maximum = 65536,
               .help = "stripes of the map, a power of two; auto: from the core count"},
    SettingRow{.flag = "max-connections",
               .type = SettingType::kCount,
               .default_text = "10000",
               .minimum = 1,
               .maximum = 1'000'000,
               .help = "gRPC connections at a time; lowered to what the limit of open files allows"},
    SettingRow{.flag = "max-streams",
               .type = SettingType::kCount,
               .default_text = "1000",
               .minimum = 1,
               .maximum = 1'000'000,
               .help = "calls at a time on one connection"},
    SettingRow{.flag = "reflection",
               .type = SettingType::kChoice,
               .default_text = "on",
               .choices = "on|off",
               .help = "gRPC server reflection"},
    SettingRow{.flag = "log-level",
               .type = SettingType::kChoice,
               .default_text = "info",
               .choices = "debug|info|warning|error",
               .stored = true,
               .help = "least serious line that is logged"},
    SettingRow{.flag = "log-format",
               .type = SettingType::kChoice,
               .default_text = "text",
               .choices = "text|json",
               .help = "form of a log line"},
    SettingRow{.flag = "stop-timeout",
               .type = SettingType::kDuration,
               .default_text = "9s",
               .minimum = 0,
               .maximum = kHour,
               .help = "the longest that calls in flight hold up a stop"},
    SettingRow{.flag = "legacy-config",
               .type = SettingType::kChoice,
               .default_text = "on",
               .choices = "on|off",
               .help = "off refuses the old Config call"},
    SettingRow{.flag = "on-disk-failure",
               .type = SettingType::kChoice,
               .default_text = "readonly",
               .choices = "readonly|exit",
               .help = "after a failed sync: go on with reads until a restart, or exit with code 6"},
    SettingRow{.flag = "settings",
               .type = SettingType::kChoice,
               .default_text = "latest",
               .choices = "latest|startup|stored",
               .help = "who wins when the stored settings differ from these: the last edit, or one side"},
    SettingRow{.flag = "accept-data-loss",
               .type = SettingType::kTokenOrNone,
               .default_text = "none",
               .help = "go on without what the recovery report with this token lists as lost"},
};

// HOST:PORT, [IPv6]:PORT or unix:PATH. Names are resolved when the server binds.
bool is_address(std::string_view text) {
  if (text.starts_with("unix:")) return text.size() > 5;
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return false;
  const std::string_view host = text.substr(0, colon);
  if (host.find(':') != host.npos && !(host.starts_with('[') && host.ends_with(']'))) return false;
  const auto port = parse_number(text.substr(colon + 1));
  return port.ok() && *port <= 65535;
}

std::string folded(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c == '-' ? '_' : static_cast<char>(toupper(static_cast<unsigned char>(c)));
  return result;
}

bool is_choice(std::string_view choices, std::string_view text) {
  return !text.empty() && text.find('|') == text.npos &&
         fmt::format("|{}|", choices).find(fmt::format("|{}|", text)) != std::string::npos;
}

std::string in_unit(SettingType type, std::uint64_t value) {
  if (type == SettingType::kSize || type == SettingType::kSizeOrAuto) return format_size(value);
  if (type == SettingType::kDuration) return format_duration(std::chrono::milliseconds(value));
  return std::to_string(value);
}

absl::StatusOr<std::uint64_t> parse_as(SettingType type, std::string_view text) {
  if (type == SettingType::kSize || type == SettingType::kSizeOrAuto) return parse_size(text);
  if (type == SettingType::kPercent && text.ends_with('%')) text.remove_suffix(1);
  if (type != SettingType::kDuration) return parse_number(text);
  const auto duration = parse_duration(text);
  if (!duration.ok()) return duration.status();
  return static_cast<std::uint64_t>(duration->count());
}

absl::StatusOr<std::string> checked_number(const SettingRow& row, std::string_view text) {
  const auto value = parse_as(row.type, text);
  const bool power = row.type != SettingType::kPowerOfTwoOrAuto || (value.ok() && std::has_single_bit(*value));
  if (value.ok() && *value >= row.minimum && *value <= row.maximum && power) return in_unit(row.type, *value);
  return error(Reason::kConfigInvalid, fmt::format("--{} is '{}', but must be {}", row.flag, text, accepted(row)),
               {{"field", std::string(row.flag)}});
}

std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  for (std::size_t j = 0; j <= right.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t replaced = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::span<const SettingRow> setting_rows() { return kRows; }

const SettingRow* find_setting(std::string_view flag) {
  const auto row = std::ranges::find_if(
      kRows, [&](const SettingRow& r) { return r.flag == flag || (!r.old_name.empty() && r.old_name == flag); });
  return row == kRows.end() ? nullptr : &*row;
}

std::string environment_name(std::string_view flag) { return "KVSTORE_" + folded(flag); }

std::string accepted(const SettingRow& row) {
  const auto range = [&] {
    return fmt::format("{} to {}", in_unit(row.type, row.minimum), in_unit(row.type, row.maximum));
  };
  switch (row.type) {
    case SettingType::kText:
      return "text";
    case SettingType::kAddress:
      return "HOST:PORT or unix:PATH";
    case SettingType::kAddressOrOff:
      return "HOST:PORT (IPv4) or off";
    case SettingType::kSize:
    case SettingType::kDuration:
    case SettingType::kCount:
      return range();
    case SettingType::kSizeOrAuto:
    case SettingType::kCountOrAuto:
      return "auto, or " + range();
    case SettingType::kPowerOfTwoOrAuto:
      return fmt::format("auto, or a power of two from {}", range());
    case SettingType::kPercent:
      return fmt::format("{}% to {}%", row.minimum, row.maximum);
    case SettingType::kTokenOrNone:
      return "none, or the token of a recovery report";
    case SettingType::kChoice:
    case SettingType::kMode:
      return "one of " + std::string(row.choices);
  }
  return "";
}

absl::StatusOr<std::string> checked_value(const SettingRow& row, std::string_view text) {
  const auto refuse = [&] {
    return error(Reason::kConfigInvalid, fmt::format("--{} is '{}', but must be {}", row.flag, text, accepted(row)),
                 {{"field", std::string(row.flag)}});
  };
  const bool nul = text.find('\0') != text.npos;
  switch (row.type) {
    case SettingType::kText:
      if (text.empty() || nul) return refuse();
      return std::string(text);
    case SettingType::kAddress:
      if (!is_address(text) || nul) return refuse();
      return std::string(text);
    case SettingType::kAddressOrOff:
      // The HTTP library of Debian is built without IPv6.
      if (text != "off" && (!is_address(text) || text.starts_with("unix:") || text.starts_with('[') || nul))
        return refuse();
      return std::string(text);
    case SettingType::kChoice:
      if (!is_choice(row.choices, text)) return refuse();
      return std::string(text);
    case SettingType::kMode:
      if (!is_choice(row.choices, folded(text))) return refuse();
      return folded(text);
    case SettingType::kTokenOrNone:
      if (text != "none" && !is_token(text)) return refuse();
      return std::string(text);
    case SettingType::kSizeOrAuto:
    case SettingType::kCountOrAuto:
    case SettingType::kPowerOfTwoOrAuto:
      if (text == "auto") return std::string(text);
      return checked_number(row, text);
    case SettingType::kSize:
    case SettingType::kDuration:
    case SettingType::kCount:
    case SettingType::kPercent:
      return checked_number(row, text);
  }
  return refuse();
}

std::string closest(std::string_view name, const std::vector<std::string>& names) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : names) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

}  // namespace kv
