#include "bench/compare.h"

#include <charconv>
#include <fstream>
#include <iostream>

#include <fmt/format.h>

namespace kv {
namespace {

using Json = nlohmann::ordered_json;

struct Figure {
  const char* name;
  bool more_is_better;
};
constexpr Figure kFigures[] = {{"achieved_rate", true}, {"failed", false},   {"p50_us", false},
                               {"p99_us", false},       {"p99.9_us", false}, {"server_cpu_us", false}};

struct Values {
  double median, least, most;
};

Values values_of(const Json& figure) { return {figure.at("median"), figure.at("least"), figure.at("most")}; }

void compare_figure(const Figure& figure, const Values& a, const Values& b, double threshold, Comparison& found) {
  const double change = a.median == 0 ? (b.median == 0 ? 0 : 1) : b.median / a.median - 1;
  const bool worse = figure.more_is_better ? change < -threshold : change > threshold;
  const bool apart = a.most < b.least || b.most < a.least;
  std::string_view verdict = "";
  if (worse) verdict = apart ? "WORSE" : "within the spread";
  found.regression = found.regression || (worse && apart);
  found.text += fmt::format("{:<16} {:>14.2f} {:>14.2f} {:>+8.1f}%  {}\n", figure.name, a.median, b.median,
                            100 * change, verdict);
}

// Settings that differ make the comparison one of the settings.
void compare_settings(const Json& a, const Json& b, const std::string& where, Comparison& found) {
  if (!a.is_object() || !b.is_object()) return;
  for (const auto& [name, value] : a.items()) {
    if (name == "target" || name == "instance_id" || name == "revision" || !b.contains(name) || b.at(name) == value)
      continue;
    if (value.is_object()) {
      compare_settings(value, b.at(name), fmt::format("{}.{}", where, name), found);
    } else {
      found.text += fmt::format("differs: {}.{}: {} and {}\n", where, name, value.dump(), b.at(name).dump());
    }
  }
}

absl::StatusOr<Json> read(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(fmt::format("cannot read {}", path));
  Json json = Json::parse(file, nullptr, false);
  if (json.is_discarded()) return absl::InvalidArgumentError(fmt::format("{} is no JSON", path));
  return json;
}

}  // namespace

absl::StatusOr<Comparison> compare(const Json& before, const Json& after, double threshold) {
  Comparison found;
  try {  // The library tells what is missing or of another type by exceptions.
    for (const Json* each : {&before, &after}) {
      if (each->at("schema") != kResultSchema) return absl::InvalidArgumentError("a result of another schema");
    }
    for (const char* part : {"workload", "server", "client"}) {
      compare_settings(before.at(part), after.at(part), part, found);
    }
    found.text += fmt::format("{:<16} {:>14} {:>14} {:>9}\n", "", "A", "B", "change");
    const bool saturated = before.at("saturated").get<bool>() || after.at("saturated").get<bool>();
    for (const Figure& figure : kFigures) {
      if (saturated && figure.name[0] == 'p') continue;  // These figures mean nothing then.
      const Json& a = before.at("repeats");
      const Json& b = after.at("repeats");
      if (!a.contains(figure.name) || !b.contains(figure.name)) continue;
      compare_figure(figure, values_of(a.at(figure.name)), values_of(b.at(figure.name)), threshold, found);
    }
    if (after.at("saturated").get<bool>() && !before.at("saturated").get<bool>()) {
      found.text += "B is saturated, A is not\n";
      found.regression = true;
    }
  } catch (const Json::exception& wrong) {
    return absl::InvalidArgumentError(fmt::format("not a result of `kvstore_bench run`: {}", wrong.what()));
  }
  return found;
}

absl::StatusOr<double> parse_share(std::string_view text) {
  std::string_view digits = text;
  const bool percent = digits.ends_with('%');
  if (percent) digits.remove_suffix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const double share = percent ? number / 100 : number;
  if (error != std::errc() || end != digits.data() + digits.size() || !(share >= 0 && share <= 10)) {
    return absl::InvalidArgumentError(fmt::format("'{}' is no share: 5%, 0.05", text));
  }
  return share;
}

BenchExit compare_files(const std::string& before, const std::string& after, double threshold) {
  const auto a = read(before);
  const auto b = read(after);
  if (!a.ok()) return fail(a.status());
  if (!b.ok()) return fail(b.status());
  const auto found = compare(*a, *b, threshold);
  if (!found.ok()) return fail(found.status());
  std::cout << found->text;
  return found->regression ? BenchExit::kRegression : BenchExit::kDone;
}

}  // namespace kv
