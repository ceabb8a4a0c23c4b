#include "tests/support/legal_losses.h"

#include <set>

#include <fmt/format.h>

namespace kv {
namespace {

using Which = Survivors::Which;

constexpr std::size_t kTornBytes[] = {7, 512};  // within a header; a sector

class Losses {
 public:
  Losses(const FaultyFileSystem& disk, const JudgeLoss& judge) : disk_(disk), judge_(judge) {}

  void add(const Survivors& survivors, const std::string& what) {
    ++counts_.losses;
    const auto left = disk_.after_crash(survivors);
    if (!seen_.insert(left->fingerprint()).second) return;
    ++counts_.left;
    judge_(*left, what);
  }
  void add_prefix(std::size_t count, std::size_t unsynced) {
    const std::string what = fmt::format("the first {} of {} changes", count, unsynced);
    add({Which::kFirst, count, 0, 0}, what);
    if (count == unsynced) return;
    for (const std::size_t torn : kTornBytes) {
      add({Which::kFirst, count, torn, 0}, fmt::format("{} and {} bytes of the next", what, torn));
    }
  }
  void leave_out() { ++counts_.prefixes_out; }
  const LossCounts& counts() const { return counts_; }

 private:
  const FaultyFileSystem& disk_;
  const JudgeLoss& judge_;
  std::set<std::uint64_t> seen_;
  LossCounts counts_;
};

}  // namespace

LossCounts for_each_loss(const FaultyFileSystem& disk, std::uint64_t seed, const JudgeLoss& judge) {
  Losses losses(disk, judge);
  losses.add({Which::kNone, 0, 0, 0}, "nothing that was not synced");
  const std::size_t unsynced = disk.unsynced_changes();
  if (unsynced == 0) return losses.counts();
  losses.add({Which::kAll, 0, 0, 0}, "everything");
  losses.add({Which::kOnlyNames, 0, 0, 0}, "names without data");
  losses.add({Which::kOnlyData, 0, 0, 0}, "data without names");
  for (std::size_t count = 0; count <= unsynced; ++count) {
    if (count < kPrefixesMax / 2 || unsynced - count < kPrefixesMax / 2) {
      losses.add_prefix(count, unsynced);
    } else {
      losses.leave_out();
    }
  }
  for (std::uint64_t n = 0; n < kRandomLosses; ++n) {
    const std::uint64_t one = seed * kRandomLosses + n;
    losses.add({Which::kRandom, 0, 0, one}, fmt::format("a random part, seed {}", one));
  }
  return losses.counts();
}

}  // namespace kv
