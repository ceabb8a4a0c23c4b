#include "bench/histogram.h"

#include <chrono>

#include <catch2/catch.hpp>

namespace kv {
namespace {

using std::chrono::nanoseconds;

TEST_CASE("histogram: every percentile is right to 2 %, from nanoseconds to hours") {
  for (const std::int64_t scale : {1LL, 1000LL, 1'000'000LL, 3'600'000'000LL}) {
    Histogram histogram;
    for (std::int64_t i = 1; i <= 1000; ++i) histogram.add(nanoseconds(i * scale));
    for (const int per_mille : {1, 10, 500, 990, 999}) {
      const double value = static_cast<double>(histogram.percentile(per_mille / 1000.0).count());
      // 1000 values: the fraction falls between two neighbours, and the bucket's end is given.
      CHECK(value >= static_cast<double>(per_mille * scale));
      CHECK(value <= static_cast<double>((per_mille + 1) * scale) * 1.02);
    }
  }
}

TEST_CASE("histogram: empty gives zero, the last percentile is the largest value, merged ones add up") {
  Histogram one;
  CHECK(one.percentile(0.5) == nanoseconds(0));
  one.add(nanoseconds(10));
  Histogram other;
  other.add(nanoseconds(50));
  one.merge(other);
  CHECK(one.count() == 2);
  CHECK(one.percentile(1.0) == nanoseconds(50));
}

}  // namespace
}  // namespace kv
