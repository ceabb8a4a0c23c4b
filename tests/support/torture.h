// What every torture program shares: its arguments, when it has done enough, and the line that says what it did.
//
//   RESULT <tab> suite <tab> variant <tab> cycles <tab> seed <tab> name=count name=count ... <tab> passed or FAILED
//
// scripts/torture adds date and commit and appends it to docs/results/torture.tsv when it is asked to.
//
// Threads: one. Units: seconds of wall time; 0 means no bound.
#pragma once

#include <chrono>
#include <cstdint>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace kv {

struct TortureOptions {
  std::uint64_t cycles = 0;
  std::uint64_t seed = std::random_device{}();
  std::uint64_t seconds = 0;

  void add_to(CLI::App& app, const std::string& what_a_cycle_is) {
    app.add_option("--cycles", cycles, what_a_cycle_is)->capture_default_str()->take_last();
    app.add_option("--seed", seed, "repeats a run")->take_last();
    app.add_option("--seconds", seconds, "stop after this time, even before all cycles are done")
        ->capture_default_str()
        ->take_last();
  }
};

// Whether the time that was given is over.
class TortureTime {
 public:
  explicit TortureTime(std::uint64_t seconds) : seconds_(seconds) {}
  bool is_over() const { return seconds_ > 0 && std::chrono::steady_clock::now() - begin_ >= seconds_bound(); }

 private:
  std::chrono::seconds seconds_bound() const { return std::chrono::seconds(seconds_); }
  std::uint64_t seconds_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

struct TortureResult {
  std::string suite;    // a word
  std::string variant;  // mode and policy, or what else tells two rows of the table apart
  std::uint64_t cycles = 0;
  std::uint64_t seed = 0;
  std::vector<std::pair<std::string, std::uint64_t>> counts;  // they add up over runs; names without blanks
  bool passed = false;
};

inline void print(const TortureResult& result) {
  std::string counts;
  for (const auto& [name, count] : result.counts)
    counts += fmt::format("{}{}={}", counts.empty() ? "" : " ", name, count);
  std::cout << fmt::format("RESULT\t{}\t{}\t{}\t{}\t{}\t{}\n", result.suite, result.variant, result.cycles, result.seed,
                           counts, result.passed ? "passed" : "FAILED")
            << std::flush;
}

}  // namespace kv
