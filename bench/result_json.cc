#include "bench/result_json.h"

#include <algorithm>

#include <fmt/format.h>

namespace kv {
namespace {

using Json = nlohmann::ordered_json;

double micros(std::chrono::nanoseconds time) { return std::chrono::duration<double, std::micro>(time).count(); }

Json latency_json(const Histogram& histogram) {
  Json latency;
  latency["count"] = histogram.count();
  if (histogram.count() == 0) return latency;
  latency["min"] = micros(histogram.min());
  latency["mean"] = micros(histogram.mean());
  latency["p50"] = micros(histogram.percentile(0.5));
  latency["p90"] = micros(histogram.percentile(0.9));
  latency["p99"] = micros(histogram.percentile(0.99));
  latency["p99.9"] = micros(histogram.percentile(0.999));
  latency["p99.99"] = micros(histogram.percentile(0.9999));
  latency["max"] = micros(histogram.max());
  Json buckets = Json::array();
  histogram.for_each_bucket([&](std::chrono::nanoseconds highest, std::uint64_t count) {
    buckets.push_back(Json::array({highest.count(), count}));
  });
  latency["buckets_ns"] = std::move(buckets);
  return latency;
}

Json operations_json(const Record& record) {
  Json operations = Json::array();
  for (std::size_t kind = 0; kind < kLoadKinds; ++kind) {
    const KindRecord& each = record.kinds[kind];
    if (each.answered + each.failed == 0) continue;
    Json operation;
    operation["name"] = name_of(static_cast<LoadKind>(kind));
    operation["count"] = each.answered;
    operation["failed"] = each.failed;
    operation["missing"] = each.missing;
    operation["bytes"] = each.bytes;
    operation["errors"] = each.errors;
    operation["latency_us"] = latency_json(each.from_intended);
    operation["latency_from_sent_us"] = latency_json(each.from_sent);
    operations.push_back(std::move(operation));
  }
  return operations;
}

Json series_json(const Record& record, std::chrono::duration<double> step) {
  Json series = Json::array();
  for (const SeriesRecord& moment : record.series) {
    Json each;
    each["rate"] = static_cast<double>(moment.answered) / step.count();
    each["failed"] = moment.failed;
    each["p50_us"] = micros(moment.latency.percentile(0.5));
    each["p99_us"] = micros(moment.latency.percentile(0.99));
    series.push_back(std::move(each));
  }
  return series;
}

// Of the process when it is here, of the log when the server tells.
Json server_delta_json(const Measurement& run) {
  if (!run.server && !run.log) return nullptr;
  Json delta;
  if (run.server) {
    const ServerUse& use = *run.server;
    delta["operations"] = use.operations;
    delta["cpu_seconds"] = std::chrono::duration<double>(use.after.cpu - use.before.cpu).count();
    delta["cpu_us_per_operation"] = use.cpu_each();
    delta["cpu_in_ticks"] = use.after.cpu_in_ticks;
    delta["memory_bytes"] = use.after.memory_bytes;
    delta["memory_peak_bytes"] = use.after.memory_peak_bytes;
    delta["written_bytes"] = use.after.written_bytes - use.before.written_bytes;
    delta["disk_bytes"] = use.after.disk_bytes - use.before.disk_bytes;
  }
  if (run.log) {
    delta["fsyncs"] = run.log->fsyncs;
    delta["log_writes"] = run.log->writes;
    delta["mean_group"] = run.log->mean_group();
    delta["log_bytes"] = run.log->bytes;
    delta["snapshots"] = run.log->snapshots;
    delta["snapshot_seconds"] = run.log->snapshot_seconds;
  }
  return delta;
}

}  // namespace

Json workload_json(const RunOptions& options) {
  const LoadPlan& plan = options.plan;
  Json json;
  json["target"] = plan.caller.target;
  json["preset"] = plan.workload.preset;
  Json mix;
  for (std::size_t kind = 0; kind < kLoadKinds; ++kind) {
    if (plan.workload.mix[kind] > 0) mix[std::string(name_of(static_cast<LoadKind>(kind)))] = plan.workload.mix[kind];
  }
  json["mix"] = std::move(mix);
  json["api"] = name_of(plan.caller.api);
  json["rate"] = plan.rate ? Json(*plan.rate) : Json(nullptr);
  json["arrivals"] = plan.rate ? Json(name_of(plan.arrivals)) : Json(nullptr);
  json["closed"] = plan.rate ? Json(nullptr) : Json(plan.closed);
  json["in_flight_max"] = plan.rate ? Json(plan.in_flight_max) : Json(nullptr);
  json["channels"] = plan.caller.channels;
  json["threads"] = plan.threads;
  json["operations_per_message"] = plan.depth;
  json["keys"] = plan.workload.keys;
  json["key_bytes"] = plan.workload.key_bytes;
  json["value_bytes"] = to_text(plan.workload.value_bytes);
  json["distribution"] = to_text(plan.workload.distribution);
  json["durability"] = name_of(plan.caller.durability);
  json["time_to_live_ms"] = plan.caller.time_to_live.count();
  json["deadline_ms"] = plan.caller.deadline.count();
  json["warm_up_ms"] = plan.warm_up.count();
  json["duration_ms"] = plan.duration.count();
  json["series_ms"] = plan.series.count();
  json["load"] = options.load;
  json["verify"] = options.verify;
  json["repeat"] = options.repeat;
  json["seed"] = plan.seed;
  return json;
}

namespace {

Json verify_json(const VerifyRecord& verify) {
  return {{"checked", verify.checked},
          {"wrong", verify.wrong},
          {"missing", verify.missing},
          {"not_ours", verify.not_ours},
          {"examples", verify.examples}};
}

}  // namespace

bool RunResult::saturated() const {
  return std::any_of(runs.begin(), runs.end(), [](const Measurement& run) { return run.saturated(); });
}

VerifyRecord RunResult::verify() const {
  VerifyRecord all;
  for (const Measurement& run : runs) all.merge(run.record.verify);
  all.merge(final_check);
  return all;
}

const Measurement& RunResult::middle() const {
  std::vector<std::pair<double, const Measurement*>> order;
  for (const Measurement& run : runs) {
    const double by = run.open ? micros(run.record.total().from_intended.percentile(0.99)) : run.achieved_rate();
    order.emplace_back(by, &run);
  }
  std::sort(order.begin(), order.end());
  return *order[(order.size() - 1) / 2].second;
}

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {median, values.front(), values.back()};
}

std::vector<std::pair<std::string, std::vector<double>>> figures(const std::vector<Measurement>& runs) {
  std::vector<std::pair<std::string, std::vector<double>>> all = {
      {"achieved_rate", {}}, {"failed", {}}, {"p50_us", {}}, {"p99_us", {}}, {"p99.9_us", {}}, {"server_cpu_us", {}}};
  for (const Measurement& run : runs) {
    const KindRecord total = run.record.total();
    all[0].second.push_back(run.achieved_rate());
    all[1].second.push_back(static_cast<double>(total.failed));
    all[2].second.push_back(micros(total.from_intended.percentile(0.5)));
    all[3].second.push_back(micros(total.from_intended.percentile(0.99)));
    all[4].second.push_back(micros(total.from_intended.percentile(0.999)));
    if (run.server) all[5].second.push_back(run.server->cpu_each());
  }
  if (all[5].second.size() != runs.size()) all.pop_back();
  return all;
}

Json to_json(const RunResult& result) {
  const Measurement& middle = result.middle();
  Json json;
  json["schema"] = kResultSchema;
  json["label"] = result.options.label;
  json["time"] = result.time;
  json["command"] = result.command;
  json["client"] = result.client;
  json["server"] = result.server;
  json["workload"] = workload_json(result.options);
  json["intended_rate"] = middle.intended_rate();
  json["achieved_rate"] = middle.achieved_rate();
  json["answered_rate"] = middle.answered_rate();
  json["saturated"] = result.saturated();
  json["failed_share"] = middle.record.total().failed_share();
  json["not_sent"] = middle.record.not_sent;
  json["operations"] = operations_json(middle.record);
  json["series"] = series_json(middle.record, result.options.plan.series);
  json["server_delta"] = server_delta_json(middle);
  json["client_cpu_seconds"] = std::chrono::duration<double>(middle.client_cpu).count();
  json["verify"] = result.options.verify ? verify_json(result.verify()) : Json(nullptr);
  Json repeats = Json::object();
  for (const auto& [name, values] : figures(result.runs)) {
    const Spread spread = spread_of(values);
    repeats[name] = {{"median", spread.median}, {"least", spread.least}, {"most", spread.most}, {"runs", values}};
  }
  json["repeats"] = std::move(repeats);
  return json;
}

}  // namespace kv
