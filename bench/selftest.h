// `kvstore_bench selftest`: this program measured, on a server whose percentiles can be computed.
//
// Threads: blocks for about a quarter of a minute. It wants a machine with a core to spare: what the machine takes away
// is seen as latency, here as in every measurement.
#pragma once

#include "bench/runner.h"

namespace kv {

BenchExit selftest();

}  // namespace kv
