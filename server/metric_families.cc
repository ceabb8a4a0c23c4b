#include "server/metric_families.h"

#include <cmath>
#include <limits>
#include <utility>

namespace kv {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily metric_family(std::string name, std::string help, MetricType type) {
  MetricFamily family;
  family.name = "kvstore_" + std::move(name);
  family.help = std::move(help);
  family.type = type;
  return family;
}

ClientMetric& add_figure(MetricFamily& family, double figure) {
  ClientMetric& metric = family.metric.emplace_back();
  (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = figure;
  return metric;
}

ClientMetric& add_durations(MetricFamily& family, const DurationTotals& totals) {
  ClientMetric& metric = family.metric.emplace_back();
  std::uint64_t below = 0;
  for (std::size_t n = 0; n < kDurationBuckets; ++n) {
    below += totals.by_duration[n];
    const bool last = n + 1 == kDurationBuckets;
    metric.histogram.bucket.push_back(
        {below, last ? std::numeric_limits<double>::infinity() : std::ldexp(1e-6, static_cast<int>(n))});
  }
  metric.histogram.sample_count = below;
  metric.histogram.sample_sum = static_cast<double>(totals.nanoseconds) / 1e9;
  return metric;
}

MetricFamily single(std::string name, std::string help, MetricType type, double figure) {
  MetricFamily result = metric_family(std::move(name), std::move(help), type);
  add_figure(result, figure);
  return result;
}

MetricFamily labelled(std::string name, std::string help, MetricType type, const std::vector<Labelled>& rows) {
  MetricFamily result = metric_family(std::move(name), std::move(help), type);
  for (const Labelled& row : rows) add_figure(result, row.figure).label = {{row.name, row.value}};
  return result;
}

}  // namespace kv
