#include "bench/key_choice.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>

#include <fmt/format.h>

#include "core/absl_text.h"

namespace kv {
namespace {

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

absl::Status not_one(std::string_view text) {
  return absl::InvalidArgumentError(fmt::format(
      "'{}' is no distribution: uniform, zipf:EXPONENT, latest:EXPONENT (0.01 to 10), hot:KEYS,OPERATIONS (shares)",
      text));
}

bool read_skew(std::string_view argument, Distribution& read) {
  if (argument.empty()) return true;
  const auto exponent = number(argument);
  if (!exponent || !(*exponent >= 0.01 && *exponent <= 10)) return false;
  read.exponent = *exponent;
  return true;
}

bool read_hot(std::string_view argument, Distribution& read) {
  if (argument.empty()) return true;
  const std::size_t comma = argument.find(',');
  if (comma == std::string_view::npos) return false;
  const auto keys = number(argument.substr(0, comma));
  const auto operations = number(argument.substr(comma + 1));
  if (!keys || !operations || !(*keys > 0 && *keys < 1) || !(*operations >= 0 && *operations <= 1)) return false;
  read.hot_keys = *keys;
  read.hot_operations = *operations;
  return true;
}

// log(1 + x) / x and (exp(x) - 1) / x, also near zero.
double log1p_by(double x) { return std::abs(x) > 1e-8 ? std::log1p(x) / x : 1 - x * (0.5 - x / 3); }
double expm1_by(double x) { return std::abs(x) > 1e-8 ? std::expm1(x) / x : 1 + x / 2 * (1 + x / 3); }

}  // namespace

absl::StatusOr<Distribution> parse_distribution(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string_view argument = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  Distribution read;
  bool good = colon == std::string_view::npos || !argument.empty();
  if (name == "uniform") {
    good = good && argument.empty();
  } else if (name == "zipf" || name == "latest") {
    read.kind = name == "zipf" ? Distribution::Kind::kZipf : Distribution::Kind::kLatest;
    good = good && read_skew(argument, read);
  } else if (name == "hot") {
    read.kind = Distribution::Kind::kHot;
    good = good && read_hot(argument, read);
  } else {
    good = false;
  }
  if (!good) return not_one(text);
  return read;
}

std::string to_text(const Distribution& distribution) {
  switch (distribution.kind) {
    case Distribution::Kind::kUniform:
      break;
    case Distribution::Kind::kZipf:
      return fmt::format("zipf:{}", distribution.exponent);
    case Distribution::Kind::kLatest:
      return fmt::format("latest:{}", distribution.exponent);
    case Distribution::Kind::kHot:
      return fmt::format("hot:{},{}", distribution.hot_keys, distribution.hot_operations);
  }
  return "uniform";
}

ZipfRank::ZipfRank(double exponent)
    : exponent_(exponent), first_(integral(1.5) - 1), accepted_(2 - inverse_integral(integral(2.5) - density(2))) {}

double ZipfRank::integral(double x) const {
  const double log_x = std::log(x);
  return expm1_by((1 - exponent_) * log_x) * log_x;
}

double ZipfRank::inverse_integral(double x) const {
  const double t = std::max(x * (1 - exponent_), -1.0);
  return std::exp(log1p_by(t) * x);
}

double ZipfRank::density(double x) const { return std::exp(-exponent_ * std::log(x)); }

std::uint64_t ZipfRank::draw(Random& random, std::uint64_t count) {
  if (count != count_) {
    count_ = count;
    last_ = integral(static_cast<double>(count) + 0.5);
  }
  for (;;) {
    const double at = last_ + random.unit() * (first_ - last_);
    const double x = inverse_integral(at);
    const double rank = std::clamp(std::floor(x + 0.5), 1.0, static_cast<double>(count));
    if (rank - x <= accepted_ || at >= integral(rank + 0.5) - density(rank)) return static_cast<std::uint64_t>(rank);
  }
}

std::uint64_t Scatter::of(std::uint64_t rank, std::uint64_t count) {
  if (count != count_) {
    // Multiplication by a number that has no divisor in common with the count is a permutation.
    count_ = count;
    step_ = 0x9e3779b97f4a7c15ULL % count;
    while (std::gcd(step_, count) != 1) step_ = (step_ + 1) % count;
  }
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(rank) * step_ % count);
}

std::uint64_t KeyChoice::hot(Random& random, std::uint64_t count) const {
  const auto share = static_cast<std::uint64_t>(std::llround(distribution_.hot_keys * static_cast<double>(count)));
  const std::uint64_t hot = std::clamp<std::uint64_t>(share, 1, count);
  const bool to_hot = random.unit() < distribution_.hot_operations;
  if (to_hot || hot == count) return random.below(hot);
  return hot + random.below(count - hot);
}

std::uint64_t KeyChoice::draw(Random& random, std::uint64_t count) {
  switch (distribution_.kind) {
    case Distribution::Kind::kUniform:
      break;
    case Distribution::Kind::kZipf:
      return scatter_.of(rank_.draw(random, count) - 1, count);
    case Distribution::Kind::kLatest:
      return count - rank_.draw(random, count);
    case Distribution::Kind::kHot:
      return hot(random, count);
  }
  return random.below(count);
}

}  // namespace kv
