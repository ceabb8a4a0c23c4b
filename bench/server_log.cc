#include "bench/server_log.h"

#include <chrono>

#include "client/client.h"

namespace kv {
namespace {

constexpr std::chrono::milliseconds kPatience{1000};
constexpr std::size_t kAnswerBytesMax = 4 << 20;

template <class Figures>
std::uint64_t figure(const Figures& figures, const char* name) {
  const auto found = figures.find(name);
  return found == figures.end() ? 0 : static_cast<std::uint64_t>(found->second);
}

}  // namespace

double LogFigures::mean_group() const {
  return writes == 0 ? 0 : static_cast<double>(records) / static_cast<double>(writes);
}

std::optional<LogFigures> between(const LogFigures& before, const LogFigures& after) {
  // Of one that was started again so long ago that it has counted further than the first one only the start tells.
  const bool back = after.fsyncs < before.fsyncs || after.writes < before.writes || after.records < before.records;
  if (back || after.started != before.started) return std::nullopt;
  return LogFigures{after.fsyncs - before.fsyncs,
                    after.writes - before.writes,
                    after.records - before.records,
                    after.bytes,
                    after.started,
                    after.snapshots - before.snapshots,
                    after.snapshots == before.snapshots ? 0 : after.snapshot_seconds};
}

std::optional<LogFigures> ServerLog::ask() const {
  if (options_.api == Api::kEtcd) return std::nullopt;
  ClientOptions connection;
  connection.target = options_.target;
  connection.answer_bytes_max = kAnswerBytesMax;
  connection.threads = 1;
  Client client(connection);
  CallOptions options;
  options.timeout = kPatience;
  const auto stats = wait(client.call(methods::kGetStats, kvstore::v1::GetStatsRequest(), options));
  if (!stats.ok() || !stats->counters().contains("kvstore_log_fsyncs_total")) return std::nullopt;
  const auto status = wait(client.call(methods::kGetStatus, kvstore::v1::GetStatusRequest(), options));
  if (!status.ok()) return std::nullopt;
  LogFigures found;
  found.fsyncs = figure(stats->counters(), "kvstore_log_fsyncs_total");
  found.writes = figure(stats->counters(), "kvstore_log_group_size_count");
  found.records = figure(stats->gauges(), "kvstore_log_group_size_sum");
  found.bytes = figure(stats->gauges(), "kvstore_log_bytes");
  found.started = status->start_time().seconds() * 1'000'000'000 + status->start_time().nanos();
  found.snapshots = figure(stats->counters(), "kvstore_snapshots_total{result=\"taken\"}");
  if (const auto last = stats->gauges().find("kvstore_snapshot_seconds"); last != stats->gauges().end()) {
    found.snapshot_seconds = last->second;
  }
  return found;
}

}  // namespace kv
