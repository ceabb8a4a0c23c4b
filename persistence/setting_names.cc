#include "persistence/setting_names.h"

#include <array>
#include <limits>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "core/units.h"

namespace kv {
namespace {

// "100%" or "100".
absl::StatusOr<std::uint64_t> parse_percent(std::string_view text) {
  if (text.ends_with('%')) text.remove_suffix(1);
  return parse_number(text);
}

// How one field is read and written.
struct Row {
  std::string_view name;
  absl::Status (*set)(Settings&, std::string_view text);
  std::string (*text)(const Settings&);
};

template <class Number>
absl::Status assign(Number& field, const absl::StatusOr<std::uint64_t>& parsed) {
  if (!parsed.ok()) return parsed.status();
  if (*parsed > std::numeric_limits<Number>::max()) {
    return error(Reason::kConfigInvalid, fmt::format("{} is too large", *parsed));
  }
  field = static_cast<Number>(*parsed);
  return absl::OkStatus();
}

template <auto Field>
constexpr Row duration(std::string_view name) {
  return {name,
          [](Settings& s, std::string_view text) {
            const auto parsed = parse_duration(text);
            if (parsed.ok()) s.*Field = *parsed;
            return parsed.status();
          },
          [](const Settings& s) { return format_duration(s.*Field); }};
}
template <auto Field>
constexpr Row size(std::string_view name) {
  return {name, [](Settings& s, std::string_view text) { return assign(s.*Field, parse_size(text)); },
          [](const Settings& s) { return format_size(s.*Field); }};
}
// "auto" is 0.
template <auto Field>
constexpr Row size_or_auto(std::string_view name) {
  return {name,
          [](Settings& s, std::string_view text) {
            return assign(s.*Field, text == "auto" ? std::uint64_t{0} : parse_size(text));
          },
          [](const Settings& s) { return s.*Field == 0 ? "auto" : format_size(s.*Field); }};
}
template <auto Field>
constexpr Row count(std::string_view name) {
  return {name, [](Settings& s, std::string_view text) { return assign(s.*Field, parse_number(text)); },
          [](const Settings& s) { return std::to_string(s.*Field); }};
}
template <auto Field>
constexpr Row percent(std::string_view name) {
  return {name, [](Settings& s, std::string_view text) { return assign(s.*Field, parse_percent(text)); },
          [](const Settings& s) { return fmt::format("{}%", s.*Field); }};
}
template <auto Field, auto Parse>
constexpr Row choice(std::string_view name) {
  return {name,
          [](Settings& s, std::string_view text) {
            const auto parsed = Parse(text);
            if (parsed.ok()) s.*Field = *parsed;
            return parsed.status();
          },
          [](const Settings& s) { return std::string(word(s.*Field)); }};
}

constexpr std::array kRows{
    choice<&Settings::mode, &parse_mode>("mode"),
    duration<&Settings::snapshot_interval>("snapshot-interval"),
    count<&Settings::snapshot_min_changes>("snapshot-min-changes"),
    count<&Settings::max_snapshots>("max-snapshots"),
    size<&Settings::log_segment_bytes>("log-segment-size"),
    choice<&Settings::fsync, &parse_fsync_policy>("fsync"),
    duration<&Settings::fsync_interval>("fsync-interval"),
    percent<&Settings::log_rewrite_growth_percent>("log-rewrite-growth"),
    size<&Settings::log_rewrite_min_bytes>("log-rewrite-min-size"),
    count<&Settings::hybrid_log_from>("hybrid-log-from"),
    count<&Settings::keep_past_generations>("keep-past-generations"),
    size_or_auto<&Settings::max_memory_bytes>("max-memory"),
    duration<&Settings::slow_threshold>("slow-threshold"),
    choice<&Settings::log_level, &parse_log_level>("log-level"),
};

// The message of a status made by error(), without the word in front.
std::string_view text_without_word(const absl::Status& status) {
  std::string_view text = message_of(status);
  const std::string prefix = reason_of(status) + ": ";
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return text;
}

const Row* find_row(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace

const std::vector<std::string>& setting_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const Row& row : kRows) result.emplace_back(row.name);
    return result;
  }();
  return names;
}

bool is_setting(std::string_view name) { return find_row(name) != nullptr; }

absl::Status set_by_name(Settings& settings, std::string_view name, std::string_view text) {
  const Row* row = find_row(name);
  if (row == nullptr) return error(Reason::kConfigInvalid, fmt::format("there is no setting '{}'", name));
  const absl::Status status = row->set(settings, text);
  if (status.ok()) return status;
  return error(Reason::kConfigInvalid, fmt::format("setting '{}': {}", name, text_without_word(status)));
}

std::string text_by_name(const Settings& settings, std::string_view name) {
  const Row* row = find_row(name);
  return row == nullptr ? std::string() : row->text(settings);
}

}  // namespace kv
