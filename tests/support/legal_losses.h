// What a crash may leave of the changes that were not synced: every legal loss, reduced to what can be judged.
//
// Of n changes 2^n sets may survive, each write in any of its sectors. Judged are
//   - nothing, and everything (as after a kill);
//   - names without data, and data without names;
//   - every prefix, in the order in which the changes were made; and each with the beginning of the next change, if
//   that
//     is a write: its first 7 bytes, and its first sector. Of more than kPrefixesMax prefixes the first and last ones;
//   - kRandomLosses random ones: names up to some point, and any sectors of the data.
// What several of them leave the same is judged once.
//
// Threads: one. Nothing else may use the disk meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tests/support/faulty_file_system.h"

namespace kv {

inline constexpr std::size_t kPrefixesMax = 64;
inline constexpr std::uint64_t kRandomLosses = 4;

struct LossCounts {
  std::uint64_t losses = 0;        // choices of what survives
  std::uint64_t left = 0;          // different disks that they left, each judged
  std::uint64_t prefixes_out = 0;  // not tried: beyond kPrefixesMax

  LossCounts& operator+=(const LossCounts& more) {
    losses += more.losses;
    left += more.left;
    prefixes_out += more.prefixes_out;
    return *this;
  }
};

using JudgeLoss = std::function<void(FaultyFileSystem& left, const std::string& what)>;

// `judge` gets a disk of its own and may write to it. The same seed makes the same losses.
LossCounts for_each_loss(const FaultyFileSystem& disk, std::uint64_t seed, const JudgeLoss& judge);

}  // namespace kv
