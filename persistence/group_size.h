// How many calls a sync is worth waiting for, when so many are about anyway that a few more cost nobody much.
//
// Why: a sync costs the same CPU for one call as for a hundred, and takes the core from a poller several times over.
// Under load a log that syncs whatever has come during the sync before spends on that what could serve callers.
//
// Hard part: to wait only for those that will come. Who waited for the last sync and who has come during it are
// together the callers that are about. Three quarters of them are waited for, so that the rest is served meanwhile;
// more, step by step, as long as they come in time. What did not is not waited for again soon.
//
// Units: calls, not records: the records of one call come together and wait together.
// Threads: guarded by its owner's mutex. Source: group commit, DeWitt et al., SIGMOD 1984.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace kv {

class GroupSize {
 public:
  // With fewer callers nobody waits: then a core has time to spare, and an early sync is an early answer.
  static constexpr std::uint64_t kCallersMin = 32;
  // With so many calls, or so many bytes, a sync is cheap for each.
  static constexpr std::uint64_t kCallsMax = 96;
  static constexpr std::size_t kBytesMax = 64 << 10;
  // After one that waited in vain, so many rounds want no more than it had.
  static constexpr int kHeldRounds = 32;

  // How many calls the next round waits for, where `queued` came during the one before; 0: for none.
  std::uint64_t wanted(std::uint64_t queued) noexcept {
    const std::uint64_t callers = last_ + queued;
    if (queued == 0 || callers < kCallersMin) {
      held_ = 0;
      return size_ = 0;
    }
    const std::uint64_t most = callers - callers / 4;
    size_ = std::min(kCallsMax, held_ > 0 ? std::min(size_, most) : std::max(size_, most));
    return size_;
  }
  // A round begins with so many. `late`: those that were wanted had not come in time.
  void taken(std::uint64_t calls, bool late) noexcept {
    last_ = calls;
    if (late) {
      size_ = calls - calls / 8;
      held_ = kHeldRounds;
    } else if (held_ > 0) {
      --held_;
    } else {
      size_ += size_ / 8;
    }
  }
  // Nothing was queued at the end of a round: whoever comes now comes alone.
  void nobody_left() noexcept {
    last_ = size_ = 0;
    held_ = 0;
  }

 private:
  std::uint64_t last_ = 0;  // calls of the round before
  std::uint64_t size_ = 0;  // of the group that is worth waiting for
  int held_ = 0;            // rounds
};

}  // namespace kv
