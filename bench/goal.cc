#include "bench/goal.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/units.h"

namespace kv {
namespace {

absl::Status not_one(std::string_view text) {
  return absl::InvalidArgumentError(fmt::format("'{}' is no goal: p99=2ms, p50=1ms,p99.9=20ms,errors=0", text));
}

// "p99.9": above 0 and below 100.
std::optional<double> fraction_of(std::string_view name) {
  if (!name.starts_with('p')) return std::nullopt;
  double percent = 0;
  const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), percent);
  if (error != std::errc() || end != name.data() + name.size() || !(percent > 0 && percent < 100)) return std::nullopt;
  return percent / 100;
}

bool add_term(std::string_view term, Goal& goal) {
  const std::size_t equals = term.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view name = term.substr(0, equals);
  const std::string_view value = term.substr(equals + 1);
  if (name == "errors") {
    const auto most = parse_number(value);
    if (!most.ok()) return false;
    goal.errors = *most;
    return true;
  }
  const auto fraction = fraction_of(name);
  const auto most = parse_duration(value);
  if (!fraction || !most.ok()) return false;
  goal.latencies.push_back({std::string(name), *fraction, *most});
  return true;
}

}  // namespace

absl::StatusOr<Goal> parse_goal(std::string_view text) {
  Goal goal;
  for (std::string_view left = text;;) {
    const std::size_t comma = left.find(',');
    if (!add_term(left.substr(0, comma), goal)) return not_one(text);
    if (comma == std::string_view::npos) return goal;
    left.remove_prefix(comma + 1);
  }
}

std::optional<std::string> missed(const Goal& goal, const Measurement& run) {
  if (run.answered_nothing()) return "nothing was answered";
  if (run.saturated()) return fmt::format("saturated at {:.0f}/s", run.achieved_rate());
  const KindRecord all = run.record.total();
  if (!goal.errors && run.failing()) return fmt::format("{:.1f} % failed", 100 * all.failed_share());
  if (goal.errors && all.failed > *goal.errors) return fmt::format("{} errors", all.failed);
  for (const Goal::Latency& each : goal.latencies) {
    const auto measured = all.from_intended.percentile(each.fraction);
    if (measured <= each.most) continue;
    return fmt::format("{} is {:.2f} ms", each.name, std::chrono::duration<double, std::milli>(measured).count());
  }
  return std::nullopt;
}

void RateSearch::tried(bool good) {
  (good ? good_ : bad_) = next_;
  if (!good_) {
    over_ = true;
  } else if (!bad_) {
    over_ = next_ >= most_;
    next_ = std::min(next_ * 2, most_);
  } else {
    over_ = *bad_ / *good_ <= kNear;
    next_ = (*good_ + *bad_) / 2;
  }
}

}  // namespace kv
