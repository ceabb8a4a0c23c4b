#include "core/units.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "core/error.h"

namespace kv {
namespace {

struct Unit {
  std::string_view word;
  std::uint64_t factor;
};

// The larger of two that divide a value come first, and the binary ones before the decimal ones.
constexpr std::array kSizes = {
    Unit{"TiB", std::uint64_t{1} << 40},
    Unit{"GiB", std::uint64_t{1} << 30},
    Unit{"MiB", std::uint64_t{1} << 20},
    Unit{"KiB", std::uint64_t{1} << 10},
    Unit{"TB", 1'000'000'000'000},
    Unit{"GB", 1'000'000'000},
    Unit{"MB", 1'000'000},
    Unit{"KB", 1'000},
    Unit{"B", 1},
};
constexpr std::array kDurations = {
    Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1'000}, Unit{"ms", 1},
};
constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();

bool same_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, [](unsigned char a, unsigned char b) { return tolower(a) == tolower(b); });
}

absl::StatusOr<std::uint64_t> parse_with(std::string_view text, std::span<const Unit> units, bool bare_allowed,
                                         std::string_view accepted) {
  const auto refuse = [&] { return error(Reason::kConfigInvalid, fmt::format("'{}' is not {}", text, accepted)); };
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc()) return refuse();
  std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  std::uint64_t factor = 1;
  if (rest.empty()) {
    if (!bare_allowed && number != 0) return refuse();
  } else {
    const auto unit = std::ranges::find_if(units, [&](const Unit& u) { return same_ignoring_case(u.word, rest); });
    if (unit == units.end()) return refuse();
    factor = unit->factor;
  }
  if (number > kMost / factor) return error(Reason::kConfigInvalid, fmt::format("'{}' is too large", text));
  return number * factor;
}

std::string format_with(std::uint64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) return fmt::format("{}{}", value / unit.factor, unit.word);
  }
  return fmt::format("0{}", units.back().word);
}

}  // namespace

absl::StatusOr<std::uint64_t> parse_number(std::string_view text) {
  return parse_with(text, {}, true, "a whole number that is not negative");
}

absl::StatusOr<std::uint64_t> parse_size(std::string_view text) {
  return parse_with(text, kSizes, true, "a size: a whole number with B, KiB, MiB, GiB, TiB, KB, MB, GB or TB");
}

absl::StatusOr<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto millis = parse_with(text, kDurations, false, "a duration: a whole number with ms, s, m, h or d");
  if (!millis.ok()) return millis.status();
  return std::chrono::milliseconds(static_cast<std::int64_t>(*millis));
}

std::string format_size(std::uint64_t bytes) { return format_with(bytes, kSizes); }

std::string format_duration(std::chrono::milliseconds duration) {
  return format_with(static_cast<std::uint64_t>(std::max<std::int64_t>(0, duration.count())), kDurations);
}

}  // namespace kv
