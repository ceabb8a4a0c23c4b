#include "bench/result_text.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "bench/facts.h"

namespace kv {
namespace {

double micros(std::chrono::nanoseconds time) { return std::chrono::duration<double, std::micro>(time).count(); }

// "950us", "1.25ms", "2.50s": three digits that count.
std::string short_time(std::chrono::nanoseconds time) {
  const double us = micros(time);
  if (us < 999.5) return fmt::format("{:.0f}us", us);
  if (us < 999'500) return fmt::format("{:.{}f}ms", us / 1e3, us < 9995 ? 2 : us < 99'950 ? 1 : 0);
  return fmt::format("{:.2f}s", us / 1e6);
}

std::string head(const RunResult& result) {
  const LoadPlan& plan = result.options.plan;
  const Workload& workload = plan.workload;
  std::string text = fmt::format("{}  {}\n", plan.caller.target, server_line(result.server));
  text += fmt::format("preset {}, {} keys of {} bytes, values of {}, {}; api {}, {} channels", workload.preset,
                      workload.keys, workload.key_bytes, to_text(workload.value_bytes), to_text(workload.distribution),
                      name_of(plan.caller.api), plan.caller.channels);
  if (takes_many(plan.caller.api)) text += fmt::format(", {} operations a message", plan.depth);
  text += fmt::format(", seed {}\n", plan.seed);
  const auto seconds = std::chrono::duration<double>(plan.duration).count();
  if (plan.rate) {
    text +=
        fmt::format("open loop, {:.0f} operations/s, {} arrivals, {:g} s", *plan.rate, name_of(plan.arrivals), seconds);
  } else {
    text += fmt::format("closed loop, {} under way, {:g} s", plan.closed, seconds);
  }
  const std::size_t runs = result.runs.size();
  return text + (runs == 1 ? "\n\n" : fmt::format(", {} runs; the one in the middle:\n\n", runs));
}

void add_row(std::string& text, std::string_view name, const KindRecord& kind, double seconds, bool percentiles) {
  text += fmt::format("{:<18} {:>10} {:>10.0f} {:>8}", name, kind.answered,
                      static_cast<double>(kind.answered) / seconds, kind.failed);
  const Histogram& latency = kind.from_intended;
  if (percentiles && latency.count() != 0) {
    for (const double fraction : {0.5, 0.9, 0.99, 0.999, 0.9999}) {
      text += fmt::format(" {:>8}", short_time(latency.percentile(fraction)));
    }
    text += fmt::format(" {:>8}", short_time(latency.max()));
  }
  text += '\n';
}

// `percentiles`: no run was saturated, also of those that are not shown.
std::string rows(const Measurement& run, bool percentiles) {
  std::string text = fmt::format("{:<18} {:>10} {:>10} {:>8}", "", "answered", "/s", "failed");
  if (percentiles)
    text += fmt::format(" {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}", "p50", "p90", "p99", "p99.9", "p99.99", "max");
  text += '\n';
  const double seconds = std::chrono::duration<double>(run.duration).count();
  int kinds = 0;
  for (std::size_t kind = 0; kind < kLoadKinds; ++kind) {
    const KindRecord& each = run.record.kinds[kind];
    if (each.answered + each.failed == 0) continue;
    ++kinds;
    add_row(text, name_of(static_cast<LoadKind>(kind)), each, seconds, percentiles);
  }
  if (kinds != 1) add_row(text, "all", run.record.total(), seconds, percentiles);
  for (const auto& [name, count] : run.record.total().errors) text += fmt::format("  {} times {}\n", count, name);
  const std::uint64_t missing = run.record.total().missing;
  if (missing != 0) text += fmt::format("  {} reads found no such key\n", missing);
  return text;
}

std::string verdict(const Measurement& run) {
  std::string text;
  if (run.saturated()) {
    text += fmt::format("SATURATED: {:.0f} of {:.0f} operations/s were answered in time; no percentiles\n",
                        run.achieved_rate(), run.intended_rate());
    text += fmt::format("  {:.0f}/s were answered meanwhile, with what was intended before\n", run.answered_rate());
  }
  if (run.failing()) {
    const KindRecord all = run.record.total();
    text += fmt::format("FAILING: {} of {} operations failed, {:.1f} %; the rate is of the others, {:.0f}/s\n",
                        all.failed, all.answered + all.failed, 100 * all.failed_share(), run.achieved_rate());
  }
  if (run.server) {
    const ProcessUse& after = run.server->after;
    const double cores =
        std::chrono::duration<double>(after.cpu - run.server->before.cpu) / std::chrono::duration<double>(run.duration);
    text += fmt::format("server: {:.2f} us of CPU an operation, {:.2f} cores{}; {:.1f} MiB resident\n",
                        run.server->cpu_each(), cores, after.cpu_in_ticks ? " (counted in ticks of 10 ms)" : "",
                        static_cast<double>(after.memory_bytes) / 1048576);
  }
  if (run.log && run.log->writes != 0) {
    text += fmt::format("log: {} syncs, {:.1f} records a write\n", run.log->fsyncs, run.log->mean_group());
  }
  return text;
}

std::string repeats(const RunResult& result) {
  if (result.runs.size() == 1) return "";
  std::string text = fmt::format("\n{:<18} {:>12} {:>12} {:>12} {:>8}\n", "", "median", "least", "most", "spread");
  for (const auto& [name, values] : figures(result.runs)) {
    if (result.saturated() && name.starts_with("p")) continue;
    const Spread spread = spread_of(values);
    const double relative = spread.median == 0 ? 0 : 100 * (spread.most - spread.least) / spread.median;
    text += fmt::format("{:<18} {:>12.2f} {:>12.2f} {:>12.2f} {:>7.1f}%\n", name, spread.median, spread.least,
                        spread.most, relative);
  }
  return text;
}

// Of several runs; what the one in the middle has to say stands there already.
std::string saturated_ones(const RunResult& result) {
  const auto count =
      std::count_if(result.runs.begin(), result.runs.end(), [](const Measurement& run) { return run.saturated(); });
  if (count == 0) return "";
  std::string text;
  if (result.runs.size() > 1) {
    text = fmt::format("SATURATED: {} of {} runs; no percentiles of any\n", count, result.runs.size());
  }
  if (!result.options.hdr.empty()) text += fmt::format("no file {}.*.hdr: a run was saturated\n", result.options.hdr);
  return text;
}

std::string verify_lines(const RunResult& result) {
  if (!result.options.verify) return "";
  return text_of(result.verify());
}

}  // namespace

std::string table_of(const RunResult& result) {
  const Measurement& middle = result.middle();
  return head(result) + rows(middle, !result.saturated()) + verdict(middle) + saturated_ones(result) + repeats(result) +
         verify_lines(result);
}

std::string text_of(const VerifyRecord& record) {
  std::string text =
      fmt::format("verify: {} answers checked, {} wrong, {} missing", record.checked, record.wrong, record.missing);
  if (record.not_ours != 0)
    text += fmt::format(", {} not ours, of keys that this run has not written", record.not_ours);
  text += '\n';
  for (const std::string& example : record.examples) text += fmt::format("  {}\n", example);
  return text;
}

std::string percentiles_of(const Histogram& histogram) {
  std::string text =
      fmt::format("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
  std::uint64_t seen = 0;
  histogram.for_each_bucket([&](std::chrono::nanoseconds highest, std::uint64_t count) {
    seen += count;
    const double share = static_cast<double>(seen) / static_cast<double>(histogram.count());
    text += fmt::format("{:12.3f} {:14.12f} {:10d}", micros(highest), share, seen);
    text += seen == histogram.count() ? "\n" : fmt::format(" {:14.2f}\n", 1 / (1 - share));
  });
  text += fmt::format("#[Mean    = {:12.3f}]\n#[Max     = {:12.3f}, Total count    = {:12d}]\n",
                      micros(histogram.mean()), micros(histogram.max()), histogram.count());
  return text;
}

absl::Status write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  if (!file) return absl::UnavailableError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  return absl::OkStatus();
}

absl::Status write_percentiles(const RunResult& result) {
  const Record& record = result.middle().record;
  for (std::size_t kind = 0; kind < kLoadKinds; ++kind) {
    const Histogram& latency = record.kinds[kind].from_intended;
    if (latency.count() == 0) continue;
    const std::string path = fmt::format("{}.{}.hdr", result.options.hdr, name_of(static_cast<LoadKind>(kind)));
    if (absl::Status written = write_file(path, percentiles_of(latency)); !written.ok()) return written;
  }
  return absl::OkStatus();
}

}  // namespace kv
