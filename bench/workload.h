// What the load does: the mix of operations, the keys, the values; and the presets that people know.
//
// Threads: plain data; a Planner is for one thread at a time. KeySpace is shared by all.
// Errors:  a text that is no preset is INVALID_ARGUMENT saying what is.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "bench/key_choice.h"
#include "bench/random.h"
#include "bench/value_sizes.h"

namespace kv {

enum class LoadKind : std::uint8_t { kRead, kUpdate, kInsert, kScan, kReadModifyWrite, kIncrement };
inline constexpr std::size_t kLoadKinds = 6;
std::string_view name_of(LoadKind kind);
inline bool writes(LoadKind kind) { return kind != LoadKind::kRead && kind != LoadKind::kScan; }

// Shares of the kinds, which add up to 1.
using Mix = std::array<double, kLoadKinds>;

struct Workload {
  std::string preset = "b";
  Mix mix{};
  Distribution distribution;
  std::uint64_t keys = 100'000;  // that the load phase sets
  std::size_t key_bytes = 16;
  ValueSizes value_bytes;
  std::uint64_t scan_entries_max = 100;  // of one scan; from 1 up, evenly
};

// a to f are the mixes of YCSB, with its skew; get, set, mixed (half each), incr and scan are even over the keys.
absl::StatusOr<Workload> preset(std::string_view name);
std::string_view preset_names();

struct LoadOperation {
  LoadKind kind = LoadKind::kRead;
  std::uint64_t key = 0;
  std::uint64_t size = 0;      // bytes of the value; of a scan entries
  std::uint64_t sequence = 0;  // of the value, never twice in a run
};

// Which keys there are: inserts take the next number, and reads choose among what was acknowledged.
class KeySpace {
 public:
  explicit KeySpace(std::uint64_t keys) : taken_(keys), there_(keys) {}
  std::uint64_t take() noexcept { return taken_.fetch_add(1, std::memory_order_relaxed); }
  void inserted() noexcept { there_.fetch_add(1, std::memory_order_relaxed); }
  // Inserts are acknowledged out of order, so that a key just below may be missing for a moment.
  std::uint64_t count() const noexcept { return there_.load(std::memory_order_relaxed); }
  std::uint64_t taken() const noexcept { return taken_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> taken_;
  std::atomic<std::uint64_t> there_;
};

// The operations of one load thread, in order: the same for the same seed, as long as no keys are inserted.
class Planner {
 public:
  // Of `planners`, this is number `index`.
  Planner(const Workload& workload, KeySpace& keys, std::uint64_t seed, std::uint64_t index, std::uint64_t planners)
      : workload_(workload),
        keys_(keys),
        random_(seed_of(seed, index)),
        choice_(workload.distribution),
        sequence_(index),
        step_(planners) {}

  LoadOperation next();

 private:
  LoadKind next_kind();

  const Workload& workload_;
  KeySpace& keys_;
  Random random_;
  KeyChoice choice_;
  std::uint64_t sequence_;
  const std::uint64_t step_;
};

}  // namespace kv
