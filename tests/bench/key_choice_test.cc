#include "bench/key_choice.h"

#include <cmath>
#include <map>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

namespace kv {
namespace {

constexpr int kDraws = 200'000;

Distribution distribution(const std::string& text) {
  const auto parsed = parse_distribution(text);
  REQUIRE(parsed.ok());
  return *parsed;
}

std::vector<double> shares(const std::string& text, std::uint64_t keys) {
  KeyChoice choice(distribution(text));
  Random random(7);
  std::vector<double> drawn(keys, 0);
  for (int i = 0; i < kDraws; ++i) drawn.at(choice.draw(random, keys)) += 1.0 / kDraws;
  return drawn;
}

// Six standard deviations of a share that is counted so often; seeds are fixed, so this holds always or never.
double tolerance(double share) { return 6 * std::sqrt(share * (1 - share) / kDraws) + 1e-9; }

std::vector<double> zipf(double exponent, std::uint64_t keys) {
  std::vector<double> share(keys);
  double sum = 0;
  for (std::uint64_t rank = 1; rank <= keys; ++rank) sum += std::pow(static_cast<double>(rank), -exponent);
  for (std::uint64_t rank = 1; rank <= keys; ++rank) {
    share[rank - 1] = std::pow(static_cast<double>(rank), -exponent) / sum;
  }
  return share;
}

TEST_CASE("key choice: zipf draws each rank as often as its formula says, for exponents around one") {
  for (const double exponent : {0.5, 0.99, 1.0, 1.5}) {
    for (const std::uint64_t keys : {1U, 2U, 50U}) {
      ZipfRank rank(exponent);
      Random random(3);
      std::vector<double> drawn(keys, 0);
      for (int i = 0; i < kDraws; ++i) drawn.at(rank.draw(random, keys) - 1) += 1.0 / kDraws;
      const std::vector<double> expected = zipf(exponent, keys);
      for (std::uint64_t i = 0; i < keys; ++i) {
        INFO("exponent " << exponent << ", rank " << i + 1 << " of " << keys);
        CHECK(std::abs(drawn[i] - expected[i]) <= tolerance(expected[i]));
      }
    }
  }
}

TEST_CASE("key choice: zipf over many keys gives the head its share, and reaches the tail") {
  constexpr std::uint64_t kKeys = 1'000'000;
  ZipfRank rank(0.99);
  Random random(5);
  const std::vector<double> expected = zipf(0.99, kKeys);
  double head = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) head += expected[i];
  double drawn = 0;
  std::uint64_t last = 0;
  for (int i = 0; i < kDraws; ++i) {
    const std::uint64_t each = rank.draw(random, kKeys);
    REQUIRE((each >= 1 && each <= kKeys));
    if (each <= 1000) drawn += 1.0 / kDraws;
    last = std::max(last, each);
  }
  CHECK(std::abs(drawn - head) <= tolerance(head));
  CHECK(last > kKeys * 9 / 10);
}

TEST_CASE("key choice: zipf scatters its ranks over all keys, and the most popular ones are no neighbours") {
  Scatter scatter;
  for (const std::uint64_t keys : {1U, 2U, 6U, 97U, 1000U}) {
    std::set<std::uint64_t> places;
    for (std::uint64_t rank = 0; rank < keys; ++rank) places.insert(scatter.of(rank, keys));
    CHECK(places.size() == keys);
    CHECK(*places.rbegin() == keys - 1);
  }
  const auto distance = static_cast<std::int64_t>(scatter.of(0, 100'000) - scatter.of(1, 100'000));
  CHECK(std::abs(distance) > 1000);
}

TEST_CASE("key choice: uniform draws every key alike") {
  for (const double share : shares("uniform", 40)) CHECK(std::abs(share - 1.0 / 40) <= tolerance(1.0 / 40));
}

TEST_CASE("key choice: latest prefers the newest key as zipf does its first rank, also when keys are added") {
  const std::vector<double> expected = zipf(0.99, 40);
  const std::vector<double> drawn = shares("latest:0.99", 40);
  for (std::size_t i = 0; i < 40; ++i) CHECK(std::abs(drawn[39 - i] - expected[i]) <= tolerance(expected[i]));

  KeyChoice choice(distribution("latest"));
  Random random(1);
  std::map<std::uint64_t, int> newest;
  for (std::uint64_t keys = 1; keys <= 2000; ++keys) {
    const std::uint64_t key = choice.draw(random, keys);
    REQUIRE(key < keys);
    ++newest[keys - 1 - key];
  }
  CHECK(newest[0] > newest[1]);
}

TEST_CASE("key choice: hot gives a share of the keys a share of the operations, evenly on both sides") {
  const std::vector<double> drawn = shares("hot:0.2,0.8", 50);
  for (std::size_t i = 0; i < 50; ++i) {
    const double expected = i < 10 ? 0.8 / 10 : 0.2 / 40;
    CHECK(std::abs(drawn[i] - expected) <= tolerance(expected));
  }
}

TEST_CASE("key choice: the same seed draws the same keys, another seed others") {
  for (const std::string text : {"uniform", "zipf:0.99", "latest:1.2", "hot:0.1,0.9"}) {
    const auto draw = [&](std::uint64_t seed) {
      KeyChoice choice(distribution(text));
      Random random(seed);
      std::vector<std::uint64_t> keys;
      for (int i = 0; i < 100; ++i) keys.push_back(choice.draw(random, 1'000'000));
      return keys;
    };
    CHECK(draw(1) == draw(1));
    CHECK(draw(1) != draw(2));
  }
  Random fixed(1);
  CHECK(fixed.below(1'000'000) == 133'876);  // On every machine, for ever: results can be repeated.
}

TEST_CASE("key choice: a distribution is read back as it is written, and anything else is refused with the choices") {
  for (const std::string text : {"uniform", "zipf:0.99", "zipf:1.2", "latest:0.5", "hot:0.2,0.8"}) {
    CHECK(to_text(distribution(text)) == text);
  }
  CHECK(to_text(distribution("zipf")) == "zipf:0.99");
  for (const std::string text : {"", "zip", "uniform:1", "zipf:", "zipf:0", "zipf:x", "zipf:11", "hot:0.2", "hot:0,1",
                                 "hot:1,1", "hot:0.2,1.5", "hot:0.2,0.8,1", "zipf:nan"}) {
    const auto refused = parse_distribution(text);
    INFO(text);
    CHECK(refused.status().code() == absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace kv
