// The figures of /metrics as the message that GetStats answers with.
//
// Names are those of the exposition: kvstore_revision{level="disk"}. A histogram gives two: NAME_count, a counter, and
// NAME_sum, a gauge.
//
// Threads: free function.
#pragma once

#include <vector>

#include <prometheus/metric_family.h>

#include "kvstore/v1/admin_service.pb.h"

namespace kv {

kvstore::v1::GetStatsResponse stats_message_of(const std::vector<prometheus::MetricFamily>& families);

}  // namespace kv
