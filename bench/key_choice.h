// Which key the next operation is about: uniform, zipf, latest or hot.
//
//   uniform      every key alike
//   zipf:S       the key of rank k with probability proportional to 1 / k^S; ranks are scattered over the keys, so that
//                popular keys are not neighbours
//   latest[:S]   the same, but rank 1 is the newest key, rank 2 the one before it
//   hot:F,P      a share F of the keys gets a share P of the operations, evenly; the rest gets the rest
//
// Hard part: the number of keys grows while the load runs, and a table of probabilities would have to be made again
// each time. Zipf is drawn by rejection-inversion, which needs none and is exact.
//
// Threads: one at a time. Errors: a text that is no distribution is INVALID_ARGUMENT saying what is.
// Source:  Hoermann, Derflinger: Rejection-inversion to generate variates from monotone discrete distributions, 1996.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "bench/random.h"

namespace kv {

struct Distribution {
  enum class Kind { kUniform, kZipf, kLatest, kHot };

  Kind kind = Kind::kUniform;
  double exponent = 0.99;       // of zipf and latest; above 0
  double hot_keys = 0.2;        // share of the keys, above 0 and below 1
  double hot_operations = 0.8;  // share of the operations, 0 to 1
};

absl::StatusOr<Distribution> parse_distribution(std::string_view text);
// As parse_distribution() reads it back.
std::string to_text(const Distribution& distribution);

// Ranks 1 to count, rank k with probability proportional to 1 / k^exponent.
class ZipfRank {
 public:
  explicit ZipfRank(double exponent);
  std::uint64_t draw(Random& random, std::uint64_t count);

 private:
  double integral(double x) const;
  double inverse_integral(double x) const;
  double density(double x) const;

  const double exponent_;
  const double first_;     // where the draw begins: the integral at 3/2, less one
  const double accepted_;  // so near to its rank a draw needs no second look
  std::uint64_t count_ = 0;
  double last_ = 0;  // the integral at count + 1/2
};

// A permutation of [0, count): where the key of a rank lies.
class Scatter {
 public:
  std::uint64_t of(std::uint64_t rank, std::uint64_t count);

 private:
  std::uint64_t count_ = 0;
  std::uint64_t step_ = 0;
};

class KeyChoice {
 public:
  explicit KeyChoice(const Distribution& distribution) : distribution_(distribution), rank_(distribution.exponent) {}

  // Of [0, count), which is not empty; the newest key has the highest number.
  std::uint64_t draw(Random& random, std::uint64_t count);

 private:
  std::uint64_t hot(Random& random, std::uint64_t count) const;

  const Distribution distribution_;
  ZipfRank rank_;
  Scatter scatter_;
};

}  // namespace kv
