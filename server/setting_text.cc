#include "server/setting_text.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <chrono>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "core/units.h"
#include "persistence/data_loss.h"

namespace kv {
namespace {

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
  if (type == SettingType::kDuration || type == SettingType::kDurationOrNone)
    return format_duration(std::chrono::milliseconds(value));
  return std::to_string(value);
}

absl::StatusOr<std::uint64_t> parse_as(SettingType type, std::string_view text) {
  if (type == SettingType::kSize || type == SettingType::kSizeOrAuto) return parse_size(text);
  if (type == SettingType::kPercent && text.ends_with('%')) text.remove_suffix(1);
  if (type != SettingType::kDuration && type != SettingType::kDurationOrNone) return parse_number(text);
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
    case SettingType::kDurationOrNone:
      return "none, or " + range();
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
    case SettingType::kDurationOrNone:
      if (text == "none") return std::string(text);
      return checked_number(row, text);
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
