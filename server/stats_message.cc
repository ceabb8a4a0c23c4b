#include "server/stats_message.h"

#include <string>

#include <fmt/format.h>

namespace kv {
namespace {

std::string labels_of(const prometheus::ClientMetric& metric) {
  std::string text;
  for (const auto& label : metric.label) {
    text += fmt::format("{}{}=\"{}\"", text.empty() ? "" : ",", label.name, label.value);
  }
  return text.empty() ? text : "{" + text + "}";
}

}  // namespace

kvstore::v1::GetStatsResponse stats_message_of(const std::vector<prometheus::MetricFamily>& families) {
  kvstore::v1::GetStatsResponse message;
  auto& counters = *message.mutable_counters();
  auto& gauges = *message.mutable_gauges();
  for (const prometheus::MetricFamily& family : families) {
    for (const prometheus::ClientMetric& metric : family.metric) {
      const std::string labels = labels_of(metric);
      switch (family.type) {
        case prometheus::MetricType::Counter:
          counters[family.name + labels] = static_cast<std::uint64_t>(metric.counter.value);
          break;
        case prometheus::MetricType::Histogram:
          counters[family.name + "_count" + labels] = metric.histogram.sample_count;
          gauges[family.name + "_sum" + labels] = metric.histogram.sample_sum;
          break;
        default:
          gauges[family.name + labels] = metric.gauge.value;
      }
    }
  }
  return message;
}

}  // namespace kv
