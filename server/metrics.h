// What /metrics shows: the figures of store, storage and calls, and those that others add, all read at scrape time.
// Names and meanings are listed in docs/operations.md. No metric carries a key.
//
// Threads:  scraped from any thread at any time, while loading and while stopping included.
// Lifetime: what show() was given must outlive it or be taken back with hide().
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include <prometheus/collectable.h>

#include "persistence/storage.h"
#include "rpc/acceptor/acceptor.h"
#include "rpc/byte_budget.h"
#include "rpc/call_counts.h"
#include "server/expirer.h"
#include "server/memory_budget.h"
#include "server/metric_families.h"
#include "store/store.h"

namespace kv {

class Metrics final : public prometheus::Collectable {
 public:
  using CallTotals = std::function<std::vector<MethodTotals>()>;
  using Connections = std::function<AcceptorFigures()>;
  Metrics(const Store& store, const MemoryBudget& memory, const ByteBudget& in_flight, CallTotals call_totals,
          Connections connections)
      : store_(store),
        memory_(memory),
        in_flight_(in_flight),
        call_totals_(std::move(call_totals)),
        connections_(std::move(connections)) {}

  // Asked with every scrape, one at a time. Before the first one.
  using Source = std::function<void(MetricFamilies&)>;
  void add(Source source) { sources_.push_back(std::move(source)); }
  // From serving on: storage, expirer and engine have figures.
  void show(const Storage& storage, const Expirer& expirer, Engine& engine);
  void hide();

  std::vector<prometheus::MetricFamily> Collect() const override;
  // The exposition format of Prometheus.
  std::string text() const;

 private:
  const Store& store_;
  const MemoryBudget& memory_;
  const ByteBudget& in_flight_;
  const CallTotals call_totals_;
  const Connections connections_;
  std::vector<Source> sources_;
  mutable std::mutex mutex_;
  const Storage* storage_ = nullptr;  // guarded by mutex_
  const Expirer* expirer_ = nullptr;  // guarded by mutex_
  Engine* engine_ = nullptr;          // guarded by mutex_
};

}  // namespace kv
