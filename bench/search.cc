#include "bench/search.h"

#include <iostream>

#include <fmt/format.h>

#include "bench/facts.h"
#include "bench/result_text.h"

namespace kv {
namespace {

using Json = nlohmann::ordered_json;

// Of the options the rate is that of no try; the command has the goal.
absl::Status write_search(const RunOptions& options, const SearchPlan& plan, const Json& tries,
                          std::optional<double> best) {
  if (options.json.empty()) return absl::OkStatus();
  Json json;
  json["schema"] = kResultSchema;
  json["label"] = options.label;
  json["time"] = time_now();
  json["command"] = plan.command;
  json["client"] = client_facts();
  json["server"] = server_facts(options.plan.caller);
  json["workload"] = workload_json(options);
  json["from"] = plan.from;
  json["to"] = plan.to;
  json["best_rate"] = best ? Json(*best) : Json(nullptr);
  json["tries"] = tries;
  return write_file(options.json, json.dump(1) + "\n");
}

}  // namespace

BenchExit search(const RunOptions& options, const SearchPlan& search_plan) {
  if (absl::Status loaded = load(options, nullptr); !loaded.ok()) return fail(loaded);
  Progress progress(progress_terminal());
  KeySpace keys(options.plan.workload.keys);
  RateSearch rates(search_plan.from, search_plan.to);
  Json tries = Json::array();
  std::cout << fmt::format("{:>12} {:>10} {:>10} {:>10}\n", "rate/s", "p50 ms", "p99 ms", "p99.9 ms");
  for (auto rate = rates.next(); rate; rate = rates.next()) {
    LoadPlan plan = options.plan;
    plan.rate = *rate;
    const Measurement run = measure(plan, keys, nullptr, options.server_process, progress);
    const auto why = missed(search_plan.goal, run);
    const Histogram latency = run.record.total().from_intended;
    std::string line = fmt::format("{:>12.0f}", *rate);
    for (const double fraction : {0.5, 0.99, 0.999}) {
      const double milliseconds = std::chrono::duration<double, std::milli>(latency.percentile(fraction)).count();
      line += run.saturated() ? fmt::format(" {:>10}", "-") : fmt::format(" {:>10.2f}", milliseconds);
    }
    std::cout << line << "  " << why.value_or("good") << std::endl;
    tries.push_back({{"rate", *rate}, {"good", !why.has_value()}, {"why", why.value_or("")}});
    rates.tried(!why.has_value());
  }
  const auto best = rates.best();
  if (absl::Status written = write_search(options, search_plan, tries, best); !written.ok()) return fail(written);
  if (!best) {
    std::cout << fmt::format("the goal is missed at {:.0f}/s already\n", search_plan.from);
    return BenchExit::kGoalMissed;
  }
  std::cout << fmt::format("highest rate that meets the goal: {:.0f}/s{}\n", *best,
                           *best >= search_plan.to ? " (--to)" : "");
  return BenchExit::kDone;
}

}  // namespace kv
