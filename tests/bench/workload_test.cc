#include "bench/workload.h"

#include <cmath>
#include <fstream>
#include <map>

#include <catch2/catch.hpp>

#include "bench/arrivals.h"
#include "bench/load_value.h"
#include "core/absl_text.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

using std::chrono::nanoseconds;

Workload workload(std::string_view name) {
  auto made = preset(name);
  REQUIRE(made.ok());
  return *made;
}

std::map<LoadKind, double> shares(Workload workload, int draws = 100'000) {
  workload.keys = 100;
  KeySpace keys(workload.keys);
  Planner planner(workload, keys, 1, 0, 1);
  std::map<LoadKind, double> drawn;
  for (int i = 0; i < draws; ++i) drawn[planner.next().kind] += 1.0 / draws;
  return drawn;
}

TEST_CASE("workload: the presets are the mixes that their names stand for") {
  const std::map<std::string, std::map<LoadKind, double>> known = {
      {"a", {{LoadKind::kRead, 0.5}, {LoadKind::kUpdate, 0.5}}},
      {"b", {{LoadKind::kRead, 0.95}, {LoadKind::kUpdate, 0.05}}},
      {"c", {{LoadKind::kRead, 1}}},
      {"d", {{LoadKind::kRead, 0.95}, {LoadKind::kInsert, 0.05}}},
      {"e", {{LoadKind::kScan, 0.95}, {LoadKind::kInsert, 0.05}}},
      {"f", {{LoadKind::kRead, 0.5}, {LoadKind::kReadModifyWrite, 0.5}}},
      {"get", {{LoadKind::kRead, 1}}},
      {"set", {{LoadKind::kUpdate, 1}}},
      {"mixed", {{LoadKind::kRead, 0.5}, {LoadKind::kUpdate, 0.5}}},
      {"incr", {{LoadKind::kIncrement, 1}}},
      {"scan", {{LoadKind::kScan, 1}}}};
  for (const auto& [name, expected] : known) {
    const auto drawn = shares(workload(name));
    INFO(name);
    CHECK(drawn.size() == expected.size());
    for (const auto& [kind, share] : expected) CHECK(std::abs(drawn.at(kind) - share) < 0.01);
  }
  CHECK(workload("d").distribution.kind == Distribution::Kind::kLatest);
  CHECK(workload("a").distribution.kind == Distribution::Kind::kZipf);
  CHECK(preset("g").status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("workload: inserts take new keys, and reads come to them once they are acknowledged") {
  Workload inserts = workload("d");
  inserts.keys = 10;
  KeySpace keys(10);
  Planner planner(inserts, keys, 1, 0, 1);
  std::uint64_t next = 10;
  for (int i = 0; i < 5000; ++i) {
    const LoadOperation operation = planner.next();
    if (operation.kind == LoadKind::kInsert) {
      CHECK(operation.key == next++);
    } else {
      REQUIRE(operation.key < keys.count());
    }
    if (operation.kind == LoadKind::kInsert) keys.inserted();
  }
  CHECK(keys.count() == next);
  CHECK(next > 100);
}

TEST_CASE("workload: sizes are read as sizes or ranges, and drawn from all of the range") {
  CHECK(parse_value_sizes("64")->least == 64);
  CHECK(parse_value_sizes("1KiB")->most == 1024);
  CHECK(to_text(*parse_value_sizes("16-1KiB")) == "16-1024");
  for (const char* text : {"", "x", "-5", "10-", "20-10", "10-20-30", "1-1GiB"}) {
    CHECK_FALSE(parse_value_sizes(text).ok());
  }
  Workload sets = workload("set");
  sets.value_bytes = {10, 13};
  KeySpace keys(sets.keys);
  Planner planner(sets, keys, 1, 0, 1);
  std::map<std::uint64_t, int> drawn;
  for (int i = 0; i < 1000; ++i) ++drawn[planner.next().size];
  CHECK(drawn.size() == 4);
  CHECK(drawn.begin()->first == 10);
  CHECK(drawn.rbegin()->first == 13);
}

TEST_CASE("workload: sizes that a file lists are drawn as often as they stand there; a line that is no size is named") {
  const TempDirectory directory;
  const std::string path = directory.path() + "/sizes";
  std::ofstream(path) << "# of our values\n100\n1KiB\n\n100\n100\n";
  Workload sets = workload("set");
  const auto sizes = parse_value_sizes(path);
  REQUIRE(sizes.ok());
  CHECK(sizes->least == 100);
  CHECK(sizes->most == 1024);
  sets.value_bytes = *sizes;
  KeySpace keys(sets.keys);
  Planner planner(sets, keys, 1, 0, 1);
  std::map<std::uint64_t, int> drawn;
  for (int i = 0; i < 10'000; ++i) ++drawn[planner.next().size];
  CHECK(drawn.size() == 2);
  CHECK(drawn[100] == Approx(7500).margin(200));
  std::ofstream(path) << "100\nlarge\n";
  CHECK(message_of(parse_value_sizes(path).status()).find("sizes:2: 'large'") != std::string_view::npos);
  std::ofstream(path) << "# nothing\n";
  CHECK_FALSE(parse_value_sizes(path).ok());
}

TEST_CASE("workload: planners of one load never give the same sequence, and repeat themselves with their seed") {
  const Workload sets = workload("set");
  KeySpace keys(sets.keys);
  Planner first(sets, keys, 1, 0, 2);
  Planner second(sets, keys, 1, 1, 2);
  Planner again(sets, keys, 1, 0, 2);
  std::map<std::uint64_t, int> sequences;
  for (int i = 0; i < 100; ++i) {
    const LoadOperation one = first.next();
    const LoadOperation same = again.next();
    CHECK(one.key == same.key);
    ++sequences[one.sequence];
    ++sequences[second.next().sequence];
  }
  CHECK(sequences.size() == 200);
}

TEST_CASE("arrivals: gaps of a poisson schedule are exponential, those of a uniform one are alike") {
  constexpr int kCount = 100'000;
  Schedule poisson(Arrivals::kPoisson, 1000, 1);
  double sum = 0;
  double squares = 0;
  int above_mean = 0;
  nanoseconds before{0};
  for (int i = 0; i < kCount; ++i) {
    const nanoseconds at = poisson.next();
    const double gap = static_cast<double>((at - before).count()) / 1e6;  // in means
    before = at;
    sum += gap;
    squares += gap * gap;
    above_mean += gap > 1 ? 1 : 0;
  }
  const double mean = sum / kCount;
  CHECK(std::abs(mean - 1) < 0.02);
  CHECK(std::abs(squares / kCount - mean * mean - 1) < 0.05);                       // variance: the mean's square
  CHECK(std::abs(static_cast<double>(above_mean) / kCount - std::exp(-1)) < 0.01);  // 1/e of them are longer

  Schedule uniform(Arrivals::kUniform, 1000, 1, 0.5);
  for (int i = 0; i < 10; ++i) CHECK(uniform.next() == nanoseconds(500'000 + i * 1'000'000));
}

TEST_CASE("load value: keys have the width that was asked for, and every number its own") {
  std::string key;
  write_key(0, 6, key);
  CHECK(key == "k00000");
  write_key(12345, 6, key);
  CHECK(key == "k12345");
  CHECK(keys_of(6) == 100'000);
  CHECK(keys_of(2) == 10);
}

TEST_CASE("load value: a verified value tells damage, another key's value and a strange one") {
  const std::string value = verified_value(7, 99, 100);
  CHECK(value.size() == 100);
  CHECK(read_verified(value, 7).fault.empty());
  CHECK(read_verified(value, 7).ours);
  CHECK(read_verified(value, 7).sequence == 99);
  CHECK(read_verified(value, 8).fault == "is the value of key number 7");
  CHECK(read_verified(value, 8).ours);
  for (std::size_t at = 0; at < value.size(); ++at) {
    std::string damaged = value;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    CHECK(read_verified(damaged, 7).fault == "does not match its checksum");
    CHECK_FALSE(read_verified(damaged, 7).ours);
  }
  CHECK(read_verified("short", 7).fault == "has 5 bytes, which no value of ours has");
  CHECK_FALSE(read_verified(std::string(100, 'v'), 7).ours);
  CHECK(verified_value(7, 100, 100) != value);
}

}  // namespace
}  // namespace kv
