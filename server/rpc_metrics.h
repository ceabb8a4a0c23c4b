// What /metrics shows of the calls beside their number and duration: where their time goes, and how busy the pollers
// are.
//
// Hard part: how busy a poller is must not cost what it measures. The kernel counts the processor time of every thread
// anyway; so it is asked for at the time of a scrape, and nothing happens in between.
//
// Threads:  collect() from any, one at a time by a lock.
// Lifetime: the server outlives it, and is started.
#pragma once

#include <chrono>
#include <mutex>
#include <vector>

#include "rpc/server.h"
#include "server/metric_families.h"

namespace kv {

class RpcMetrics {
 public:
  explicit RpcMetrics(const RpcServer& server) : server_(server) {}

  void collect(MetricFamilies& families);

 private:
  // Since the last look that was at least a second before this one.
  std::vector<double> busy_ratios();

  const RpcServer& server_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point looked_at_ = std::chrono::steady_clock::now();  // guarded by mutex_
  std::vector<PollerTime> seen_;                                                        // guarded by mutex_
  std::vector<double> ratios_;                                                          // guarded by mutex_
};

}  // namespace kv
