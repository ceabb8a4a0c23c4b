#include <functional>

#include <catch2/catch.hpp>

#include "bench/run_options.h"
#include "core/absl_text.h"

namespace kv {
namespace {

absl::StatusOr<RunOptions> with(const std::function<void(RunTexts&)>& change) {
  RunTexts texts;
  texts.target = "127.0.0.1:1";
  change(texts);
  return resolve(texts);
}

TEST_CASE("options: without a word it is an open loop of single calls, with Poisson arrivals") {
  const auto options = with([](RunTexts&) {});
  REQUIRE(options.ok());
  CHECK(options->plan.rate == 1000.0);
  CHECK(options->plan.arrivals == Arrivals::kPoisson);
  CHECK(options->plan.depth == 1);
  CHECK(options->load);
}

TEST_CASE("options: rates are read with their units, and a closed loop has none") {
  CHECK(with([](RunTexts& texts) { texts.rate = "20k/s"; })->plan.rate == 20'000.0);
  CHECK(with([](RunTexts& texts) { texts.rate = "1.5M"; })->plan.rate == 1.5e6);
  for (const char* rate : {"x", "0", "-5", "10q", "1e12"}) {
    CHECK_FALSE(with([&](RunTexts& texts) { texts.rate = rate; }).ok());
  }
  const auto closed = with([](RunTexts& texts) { texts.closed = 16; });
  REQUIRE(closed.ok());
  CHECK_FALSE(closed->plan.rate.has_value());
  CHECK(closed->plan.closed == 16);
}

TEST_CASE("options: what an API cannot do is refused with the option that asked for it") {
  const std::vector<std::pair<std::string, std::function<void(RunTexts&)>>> wrong = {
      {"--api", [](RunTexts& texts) { texts.api = "batch", texts.preset = "a"; }},
      {"--api", [](RunTexts& texts) { texts.api = "pipeline", texts.preset = "e"; }},
      {"--api", [](RunTexts& texts) { texts.api = "pipeline", texts.preset = "f"; }},
      {"--api", [](RunTexts& texts) { texts.api = "legacy", texts.preset = "incr"; }},
      {"--api", [](RunTexts& texts) { texts.api = "soap"; }},
      {"--verify", [](RunTexts& texts) { texts.api = "legacy", texts.verify = true; }},
      {"--ledger", [](RunTexts& texts) { texts.ledger = "file"; }},
      {"--value-bytes", [](RunTexts& texts) { texts.verify = true, texts.value_bytes = "16-64"; }},
      {"--durability", [](RunTexts& texts) { texts.api = "etcd", texts.durability = "disk"; }},
      {"--durability", [](RunTexts& texts) { texts.durability = "quorum"; }},
      {"--expire-in", [](RunTexts& texts) { texts.api = "legacy", texts.time_to_live = "1h"; }},
      {"--expire-in", [](RunTexts& texts) { texts.verify = true, texts.time_to_live = "1h"; }},
      {"--expire-in", [](RunTexts& texts) { texts.time_to_live = "0s"; }},
      {"--pipeline-depth", [](RunTexts& texts) { texts.depth = 16; }},
      {"--threads", [](RunTexts& texts) { texts.threads = 8; }},
      {"--threads", [](RunTexts& texts) { texts.threads = 2, texts.closed = 1; }},
      {"--keys", [](RunTexts& texts) { texts.key_bytes = 4, texts.keys = 1001; }},
      {"--deadline", [](RunTexts& texts) { texts.deadline = "0"; }},
      {"--duration", [](RunTexts& texts) { texts.duration = "5"; }},
      {"--series", [](RunTexts& texts) { texts.series = "0ms"; }},
      {"--series", [](RunTexts& texts) { texts.series = "2ms"; }},  // 15,000 points of 30 s
      {"--distribution", [](RunTexts& texts) { texts.distribution = "normal"; }},
      {"--preset", [](RunTexts& texts) { texts.preset = "z"; }},
      {"--target", [](RunTexts& texts) { texts.target = "host:x"; }}};
  for (const auto& [option, change] : wrong) {
    const auto refused = with(change);
    INFO(option);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(message_of(refused.status()).starts_with(option));
  }
}

TEST_CASE("options: presets, distributions and messages of many operations are taken as they are asked for") {
  const auto options = with([](RunTexts& texts) {
    texts.preset = "mixed";
    texts.api = "pipeline";
    texts.distribution = "hot:0.1,0.9";
    texts.value_bytes = "16-1KiB";
    texts.durability = "disk";
    texts.time_to_live = "1500ms";
  });
  REQUIRE(options.ok());
  CHECK(options->plan.depth == 16);
  CHECK(to_text(options->plan.workload.distribution) == "hot:0.1,0.9");
  CHECK(options->plan.workload.value_bytes.most == 1024);
  CHECK(options->plan.caller.durability == kvstore::v1::DURABILITY_DISK);
  CHECK(options->plan.caller.time_to_live == std::chrono::milliseconds(1500));
}

}  // namespace
}  // namespace kv
