#include "bench/measurement.h"

#include <algorithm>
#include <thread>

#include <unistd.h>

#include "bench/process_cpu.h"

namespace kv {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStart{50};  // until every worker's thread is there
constexpr milliseconds kLook{100};
constexpr double kBehindMax = 0.01;
constexpr double kFailedMax = 0.01;

using Workers = std::vector<std::unique_ptr<LoadWorker>>;

std::uint64_t answered(const Workers& workers) {
  std::uint64_t sum = 0;
  for (const auto& worker : workers) sum += worker->answered_so_far();
  return sum;
}

void show_until(LoadClock::time_point until, LoadClock::time_point begin, const Workers& workers, Progress& progress) {
  while (LoadClock::now() < until) {
    std::this_thread::sleep_until(std::min(until, LoadClock::now() + kLook));
    const auto gone = std::chrono::duration_cast<milliseconds>(LoadClock::now() - begin);
    progress.reach(static_cast<std::uint64_t>(std::max<std::int64_t>(gone.count(), 0)), answered(workers));
  }
}

}  // namespace

double ServerUse::cpu_each() const {
  if (operations == 0) return 0;
  return std::chrono::duration<double, std::micro>(after.cpu - before.cpu).count() / static_cast<double>(operations);
}

double Measurement::intended_rate() const {
  return static_cast<double>(record.intended) / std::chrono::duration<double>(duration).count();
}

double Measurement::achieved_rate() const {
  return static_cast<double>(record.in_time) / std::chrono::duration<double>(duration).count();
}

double Measurement::answered_rate() const {
  std::uint64_t answered = 0;
  for (const SeriesRecord& moment : record.series) answered += moment.answered;
  return static_cast<double>(answered) / std::chrono::duration<double>(duration).count();
}

bool Measurement::answered_nothing() const { return record.total().answered == 0 && answered_rate() == 0; }

bool Measurement::failing() const { return record.total().failed_share() > kFailedMax; }

bool Measurement::saturated() const {
  if (!open) return false;
  const std::uint64_t over = record.in_time + record.failed_in_time;
  const auto late = static_cast<double>(record.intended - std::min(record.intended, over));
  return late > kBehindMax * static_cast<double>(record.intended);
}

Measurement measure(const LoadPlan& plan, KeySpace& keys, Ledger* ledger, std::optional<pid_t> server,
                    Progress& progress) {
  const Filler filler(plan.workload.value_bytes.most);
  ServerLog log(plan.caller);
  Workers workers;
  for (int i = 0; i < plan.threads; ++i) {
    workers.push_back(std::make_unique<LoadWorker>(plan, keys, ledger, filler, i));
  }
  const LoadClock::time_point begin = LoadClock::now() + kStart;
  for (const auto& worker : workers) worker->start(begin);
  progress.begin("measuring", static_cast<std::uint64_t>((plan.warm_up + plan.duration).count()), 0, "operations");

  Measurement result;
  result.open = plan.rate.has_value();
  result.duration = plan.duration;
  const pid_t nobody = 0;
  show_until(begin + plan.warm_up, begin, workers, progress);
  const auto log_before =
      log.ask();  // outside of the time in which the process is looked at: asking costs it something
  const auto before = use_of(server.value_or(nobody));
  const auto own_before = process_cpu(getpid());
  const std::uint64_t answered_before = answered(workers);
  show_until(begin + plan.warm_up + plan.duration, begin, workers, progress);
  const auto after = use_of(server.value_or(nobody));
  const auto own_after = process_cpu(getpid());
  const std::uint64_t answered_after = answered(workers);
  const auto log_after = log.ask();
  for (const auto& worker : workers) worker->join();
  progress.clear();

  for (const auto& worker : workers) result.record.merge(worker->record());
  if (server && before.ok() && after.ok()) {
    result.server = ServerUse{*before, *after, answered_after - answered_before};
  }
  if (log_before && log_after) result.log = between(*log_before, *log_after);
  if (own_before.ok() && own_after.ok()) result.client_cpu = own_after->time - own_before->time;
  return result;
}

}  // namespace kv
