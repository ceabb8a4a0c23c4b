// Small builders for what /metrics shows: families of the exposition, with our prefix.
// Threads: free functions.
#pragma once

#include <string>
#include <vector>

#include <prometheus/metric_family.h>

#include "rpc/call_counts.h"

namespace kv {

using MetricFamilies = std::vector<prometheus::MetricFamily>;

// One figure of a family, told from the others by a label.
struct Labelled {
  std::string name;
  std::string value;
  double figure;
};

// Without "kvstore_".
prometheus::MetricFamily metric_family(std::string name, std::string help, prometheus::MetricType type);
// Of a counter or a gauge.
prometheus::ClientMetric& add_figure(prometheus::MetricFamily& family, double figure);
// Of a histogram.
prometheus::ClientMetric& add_durations(prometheus::MetricFamily& family, const DurationTotals& totals);

prometheus::MetricFamily single(std::string name, std::string help, prometheus::MetricType type, double figure);
prometheus::MetricFamily labelled(std::string name, std::string help, prometheus::MetricType type,
                                  const std::vector<Labelled>& rows);

}  // namespace kv
