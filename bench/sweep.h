// All keys once: the load phase sets them, the check after --verify reads them. A closed loop of messages as large as
// the API allows.
//
// Threads: run_sweep() blocks. Errors: the first operation that fails ends it with that error.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "bench/caller.h"
#include "bench/ledger.h"
#include "bench/record.h"
#include "bench/value_sizes.h"
#include "core/progress.h"

namespace kv {

struct SweepPlan {
  CallerOptions caller;  // kv.v1 APIs go through Pipeline whatever it says
  ValueSizes value_bytes;
  LoadKind kind = LoadKind::kUpdate;  // or kRead
  std::uint64_t keys = 0;
  std::uint64_t seed = 1;
};

// `ledger` may be null; else writes are noted, and reads judged into `found`.
absl::Status run_sweep(const SweepPlan& plan, Ledger* ledger, VerifyRecord& found, Progress& progress);

}  // namespace kv
