#include "bench/runner.h"

#include <cstdio>
#include <iostream>
#include <random>

#include <fmt/format.h>
#include <unistd.h>

#include "bench/facts.h"
#include "bench/result_text.h"
#include "bench/sweep.h"
#include "client/peer_status.h"
#include "client/target.h"
#include "core/absl_text.h"

namespace kv {
namespace {

SweepPlan sweep_of(const RunOptions& options, LoadKind kind, std::uint64_t keys) {
  return {options.plan.caller, options.plan.workload.value_bytes, kind, keys, options.plan.seed};
}

// Where the sequences of this program's runs begin: not where those of an earlier one did whose values are still there.
std::uint64_t sequences_of_this_program() {
  constexpr unsigned kBitsOfARun = 40;
  constexpr std::uint64_t kPrograms = std::uint64_t{1} << 21;  // below the sequences of the load
  return (1 + std::random_device()() % kPrograms) << kBitsOfARun;
}

constexpr std::uint64_t kSequencesOfARepeat = std::uint64_t{1} << 34;

bool bad(const VerifyRecord& record) { return record.wrong + record.missing > 0; }

// What was asked for beside the table.
absl::Status write_files(const RunResult& result, const Ledger& ledger) {
  absl::Status status;
  if (!result.options.json.empty()) status = write_file(result.options.json, to_json(result).dump(1) + "\n");
  if (status.ok() && !result.options.hdr.empty() && !result.saturated()) status = write_percentiles(result);
  if (status.ok() && !result.options.ledger.empty()) status = ledger.save(result.options.ledger);
  return status;
}

// What is worse comes first: a server that answers nothing is not one that is too slow.
BenchExit verdict(const RunResult& result) {
  if (bad(result.verify())) return BenchExit::kVerifyFailed;
  for (const Measurement& run : result.runs) {
    if (run.answered_nothing()) return fail(absl::UnavailableError("not one operation was answered"));
  }
  if (result.saturated()) return BenchExit::kGoalMissed;
  for (const Measurement& run : result.runs) {
    if (!run.failing()) continue;
    const double share = run.record.total().failed_share();
    return fail(absl::UnavailableError(fmt::format("{:.1f} % of the operations failed", 100 * share)));
  }
  return BenchExit::kDone;
}

}  // namespace

std::FILE* progress_terminal() { return isatty(STDERR_FILENO) != 0 ? stderr : nullptr; }

BenchExit fail(const absl::Status& why) {
  std::cerr << "kvstore_bench: " << message_of(why) << '\n';
  return BenchExit::kFailed;
}

absl::Status load(const RunOptions& options, Ledger* ledger) {
  if (!options.load) return absl::OkStatus();
  Progress progress(progress_terminal());
  VerifyRecord ignored;
  return run_sweep(sweep_of(options, LoadKind::kUpdate, options.plan.workload.keys), ledger, ignored, progress);
}

BenchExit run(const RunOptions& options, const std::string& command) {
  RunResult result{options, command, time_now(), client_facts(), server_facts(options.plan.caller), {}, {}};
  Ledger ledger;
  ledger.key_bytes = options.plan.workload.key_bytes;
  Ledger* const noted = options.verify ? &ledger : nullptr;
  if (absl::Status loaded = load(options, noted); !loaded.ok()) return fail(loaded);

  Progress progress(progress_terminal());
  KeySpace keys(options.plan.workload.keys);
  const std::uint64_t first_sequence = sequences_of_this_program();
  for (int i = 0; i < options.repeat; ++i) {
    LoadPlan plan = options.plan;
    plan.seed += static_cast<std::uint64_t>(i);  // not the same keys again
    plan.first_sequence = first_sequence + static_cast<std::uint64_t>(i) * kSequencesOfARepeat;
    result.runs.push_back(measure(plan, keys, noted, options.server_process, progress));
  }
  absl::Status checked;
  if (options.verify) {
    checked = run_sweep(sweep_of(options, LoadKind::kRead, ledger.keys()), &ledger, result.final_check, progress);
  }
  std::cout << table_of(result) << std::flush;
  if (absl::Status written = write_files(result, ledger); !written.ok()) return fail(written);
  if (!checked.ok()) return fail(absl::Status(checked.code(), fmt::format("the final check: {}", message_of(checked))));
  return verdict(result);
}

BenchExit verify(const std::string& path, const std::string& target) {
  auto ledger = Ledger::load(path);
  if (!ledger.ok()) return fail(ledger.status());
  auto parsed = parse_target(target.empty() ? kDefaultTarget : target);
  if (!parsed.ok()) return fail(parsed.status());
  SweepPlan plan;
  plan.caller.target = *parsed;
  plan.caller.verify = true;
  plan.caller.key_bytes = ledger->key_bytes;
  plan.kind = LoadKind::kRead;
  plan.keys = ledger->keys();
  VerifyRecord found;
  Progress progress(progress_terminal());
  const absl::Status checked = run_sweep(plan, &*ledger, found, progress);
  std::cout << text_of(found);
  if (!checked.ok()) return fail(checked);
  return bad(found) ? BenchExit::kVerifyFailed : BenchExit::kDone;
}

}  // namespace kv
