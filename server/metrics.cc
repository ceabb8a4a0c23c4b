#include "server/metrics.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <sstream>

#include <prometheus/text_serializer.h>

#include "persistence/journal.h"
#include "server/allocator.h"
#include "server/version.h"
#include "store/data_heap.h"

namespace kv {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

// Every alarm there is; those of storage, and memory_limit.
constexpr std::array kAlarms = {"disk_failed",     "disk_full",        "disk_stalled",
                                "snapshot_failed", "snapshot_overdue", "memory_limit"};

std::string code_name(std::size_t code) { return absl::StatusCodeToString(static_cast<absl::StatusCode>(code)); }

void collect_calls(const std::vector<MethodTotals>& all, std::vector<MetricFamily>& families) {
  MetricFamily requests = metric_family("rpc_requests_total", "Calls answered.", MetricType::Counter);
  MetricFamily durations = metric_family("rpc_duration_seconds", "Time from request to answer.", MetricType::Histogram);
  for (const MethodTotals& totals : all) {
    for (std::size_t code = 0; code < kStatusCodes; ++code) {
      if (totals.by_code[code] == 0) continue;
      add_figure(requests, static_cast<double>(totals.by_code[code])).label = {{"method", totals.method},
                                                                               {"code", code_name(code)}};
    }
    add_durations(durations, totals).label = {{"method", totals.method}};
  }
  families.push_back(std::move(requests));
  families.push_back(std::move(durations));
}

void collect_connections(const AcceptorFigures& figures, std::vector<MetricFamily>& families) {
  families.push_back(
      single("connections", "gRPC connections that are open.", MetricType::Gauge, static_cast<double>(figures.open)));
  families.push_back(single("connections_accepted_total", "gRPC connections accepted.", MetricType::Counter,
                            static_cast<double>(figures.accepted)));
  families.push_back(labelled("connections_refused_total", "Connections closed at once, by why.", MetricType::Counter,
                              {{"reason", "limit", static_cast<double>(figures.refused_at_bound)},
                               {"reason", "descriptors", static_cast<double>(figures.refused_without_descriptor)}}));
}

void collect_store(const Store& store, const ByteBudget& in_flight, std::vector<MetricFamily>& families) {
  const StoreTotals totals = store.totals();
  families.push_back(single("keys", "Keys, those due but not yet removed included.", MetricType::Gauge,
                            static_cast<double>(totals.keys)));
  families.push_back(
      single("expiring_keys", "Keys with an expiry.", MetricType::Gauge, static_cast<double>(totals.expiring_keys)));
  families.push_back(labelled("memory_bytes", "Memory of the data, of what holds it, and of calls in progress.",
                              MetricType::Gauge,
                              {{"kind", "data", static_cast<double>(totals.data_bytes)},
                               {"kind", "overhead", static_cast<double>(totals.memory_bytes - totals.data_bytes)},
                               {"kind", "requests", static_cast<double>(store.requests().figures(0).memory_bytes)},
                               {"kind", "in_flight", static_cast<double>(in_flight.held())},
                               {"kind", "scans", static_cast<double>(store.bytes_kept_for_walks())}}));
  families.push_back(single("in_flight_limit_bytes", "What requests and answers may have of memory.", MetricType::Gauge,
                            static_cast<double>(in_flight.bytes_max())));
  families.push_back(single("heap_held_bytes", "Memory that the data heap has from the system.", MetricType::Gauge,
                            static_cast<double>(data_heap::places().bytes_held())));
}

void collect_requests(const RequestFigures& requests, std::uint64_t replayed, std::vector<MetricFamily>& families) {
  families.push_back(single("request_ids", "Request ids that a retry is answered from.", MetricType::Gauge,
                            static_cast<double>(requests.ids)));
  families.push_back(single("request_id_window_seconds", "Every request id that is younger than this is remembered.",
                            MetricType::Gauge, static_cast<double>(requests.kept.count()) / 1e3));
  families.push_back(single("requests_replayed_total", "Writes that were answered as before and not applied again.",
                            MetricType::Counter, static_cast<double>(replayed)));
}

// To the kinds that collect_store() has told.
void add_memory_of_process(const Storage* storage, std::vector<MetricFamily>& families) {
  const auto memory = std::find_if(families.begin(), families.end(),
                                   [](const MetricFamily& family) { return family.name == "kvstore_memory_bytes"; });
  const auto add = [&](const char* kind, std::uint64_t bytes) {
    add_figure(*memory, static_cast<double>(bytes)).label = {{"kind", kind}};
  };
  add("allocator", free_bytes_held());
  if (storage == nullptr) return;
  add("log_queue", storage->status().log_queued_bytes);
  add("snapshot", storage->snapshot_memory_bytes());
}

// Never below 0, whatever is done to the clock.
double age_seconds(UnixMillis since) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const UnixMillis millis = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return static_cast<double>(std::max<UnixMillis>(millis - since, 0)) / 1e3;
}

void collect_storage(const Storage& storage, const MemoryBudget& memory, std::vector<MetricFamily>& families) {
  const StorageStatus status = storage.status();
  const auto gauge = [&](std::string name, std::string help, double figure) {
    families.push_back(single(std::move(name), std::move(help), MetricType::Gauge, figure));
  };
  const auto counter = [&](std::string name, std::string help, std::uint64_t figure) {
    families.push_back(single(std::move(name), std::move(help), MetricType::Counter, static_cast<double>(figure)));
  };
  families.push_back(labelled("revision", "Newest revision at each level.", MetricType::Gauge,
                              {{"level", "applied", static_cast<double>(status.watermarks.applied)},
                               {"level", "os", static_cast<double>(status.watermarks.os)},
                               {"level", "disk", static_cast<double>(status.watermarks.durable)},
                               {"level", "snapshot", static_cast<double>(status.snapshot_revision)}}));
  gauge("log_bytes", "Bytes of the log that a restart would read.", static_cast<double>(status.log_bytes));
  gauge("log_disk_silence_seconds", "How long the disk has owed the log an answer; 0 when it owes none.",
        std::chrono::duration<double>(status.log_disk_silence).count());
  counter("log_fsyncs_total", "Times the log was forced to disk.", status.fsyncs);
  counter("log_batches_total", "Writes to the log.", status.batches);
  families.push_back(labelled("snapshots_total", "Snapshots by result.", MetricType::Counter,
                              {{"result", "taken", static_cast<double>(status.snapshots_taken)},
                               {"result", "failed", static_cast<double>(status.snapshots_failed)}}));
  std::vector<Labelled> causes;
  for (std::size_t n = 1; n < kSnapshotFaults; ++n) {
    causes.push_back(
        {"cause", std::string(word(static_cast<SnapshotFault>(n))), static_cast<double>(status.snapshot_failures[n])});
  }
  families.push_back(
      labelled("snapshot_failures_total", "Failed snapshots by the step that failed.", MetricType::Counter, causes));
  gauge("snapshot_seconds", "Duration of the last snapshot.",
        static_cast<double>(status.last_snapshot_duration.count()) / 1e3);
  gauge("snapshot_pause_seconds", "How long the last fork of a snapshot kept writers and readers waiting.",
        static_cast<double>(status.last_snapshot_pause.count()) / 1e6);
  if (status.last_snapshot_copied_bytes) {
    gauge("snapshot_copied_bytes", "Memory that the last snapshot's child held alone at its end.",
          static_cast<double>(*status.last_snapshot_copied_bytes));
  }
  families.push_back(labelled("huge_pages", "Places of the data heap after the last snapshot's mending.",
                              MetricType::Gauge,
                              {{"state", "whole", static_cast<double>(status.huge_pages_whole)},
                               {"state", "split", static_cast<double>(status.huge_pages_split)}}));
  gauge("snapshot_last_time_seconds", "When the last snapshot was published, as Unix time; 0: none.",
        static_cast<double>(status.last_snapshot_time) / 1e3);
  const std::vector<StoredSnapshot> snapshots = storage.snapshots();
  if (!snapshots.empty()) {
    gauge("snapshot_age_seconds", "Since the newest snapshot was taken.", age_seconds(snapshots.back().record.created));
  }
  if (status.snapshots_taken + status.snapshots_failed != 0) {
    gauge("snapshot_last_success", "1 when the last snapshot that was tried counts, 0 when it failed.",
          std::find(status.alarms.begin(), status.alarms.end(), "snapshot_failed") == status.alarms.end() ? 1 : 0);
  }
  gauge("recovery_seconds", "Duration of the load at start.",
        static_cast<double>(storage.recovery().duration.count()) / 1e3);
  gauge("recovery_discarded_bytes", "Bytes of a torn tail cut at start.",
        static_cast<double>(storage.recovery().tail_bytes_discarded));
  gauge("writes_accepted", "1 while writes are accepted.", status.accepting_writes && !memory.alarmed() ? 1 : 0);
  gauge("promise_kept", "1 while the promise of the mode is met.", status.promise_kept ? 1 : 0);
  std::vector<std::string> raised = status.alarms;
  if (memory.alarmed()) raised.emplace_back("memory_limit");
  std::vector<Labelled> alarms;
  for (const char* name : kAlarms) {
    alarms.push_back({"name", name, std::find(raised.begin(), raised.end(), name) == raised.end() ? 0.0 : 1.0});
  }
  families.push_back(labelled("alarms", "1 while the alarm is raised.", MetricType::Gauge, alarms));
}

void collect_lateness(const LatenessCounts& lateness, std::vector<MetricFamily>& families) {
  MetricFamily result =
      metric_family("expiry_lateness_seconds", "From a key's time until its removal is logged.", MetricType::Histogram);
  prometheus::ClientMetric::Histogram& histogram = result.metric.emplace_back().histogram;
  std::uint64_t below = 0;
  for (std::size_t bucket = 0; bucket <= LatenessCounts::kBounds.size(); ++bucket) {
    below += lateness.in_bucket(bucket);
    const bool last = bucket == LatenessCounts::kBounds.size();
    histogram.bucket.push_back({below, last ? std::numeric_limits<double>::infinity()
                                            : static_cast<double>(LatenessCounts::kBounds[bucket]) / 1e3});
  }
  histogram.sample_count = below;
  histogram.sample_sum = static_cast<double>(lateness.sum_millis()) / 1e3;
  families.push_back(std::move(result));
}

}  // namespace

void Metrics::show(const Storage& storage, const Expirer& expirer, Engine& engine) {
  std::lock_guard lock(mutex_);
  storage_ = &storage;
  expirer_ = &expirer;
  engine_ = &engine;
}

void Metrics::hide() {
  std::lock_guard lock(mutex_);
  storage_ = nullptr;
  expirer_ = nullptr;
}

std::vector<prometheus::MetricFamily> Metrics::Collect() const {
  std::vector<MetricFamily> families;
  families.push_back(labelled("build_info", "Always 1.", MetricType::Gauge, {{"version", kVersion, 1}}));
  collect_calls(call_totals_(), families);
  collect_connections(connections_(), families);
  collect_store(store_, in_flight_, families);
  const std::lock_guard lock(mutex_);
  add_memory_of_process(storage_, families);
  families.push_back(single("memory_limit_bytes",
                            "What all of memory_bytes but the allocator's and a snapshot's may have together.",
                            MetricType::Gauge, static_cast<double>(memory_.limit())));
  for (const Source& source : sources_) source(families);
  if (storage_ != nullptr) {
    collect_storage(*storage_, memory_, families);
    families.push_back(single("expired_total", "Keys removed because their time had come.", MetricType::Counter,
                              static_cast<double>(expirer_->expired_total())));
    collect_lateness(expirer_->lateness(), families);
    collect_requests(store_.requests().figures(engine_->clock().now()), engine_->replayed_total(), families);
  }
  return families;
}

std::string Metrics::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, Collect());
  return out.str();
}

}  // namespace kv
