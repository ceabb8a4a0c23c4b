// How long the values are that a load writes: one size, a range, or those that a file lists.
//
// Threads: plain data; a list is shared and does not change.
// Errors:  a text that is neither size, range nor file, and a file with a line that is no size, are INVALID_ARGUMENT.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/random.h"

namespace kv {

inline constexpr std::uint64_t kValueBytesMax = 256 << 20;  // the most that any server of ours takes as a message
inline constexpr std::size_t kListedSizesMax = 1'000'000;

struct ValueSizes {
  std::uint64_t least = 64;
  std::uint64_t most = 64;
  // One of these, each as likely as the others; null: anything from least to most.
  std::shared_ptr<const std::vector<std::uint32_t>> listed = nullptr;
  std::string file = {};  // that lists them

  std::uint64_t draw(Random& random) const {
    if (listed) return (*listed)[random.below(listed->size())];
    return least == most ? least : least + random.below(most - least + 1);
  }
};

// "64", "1KiB", "16-1024", or the path of a file with one size a line. Empty lines and those that begin with # are
// passed over.
absl::StatusOr<ValueSizes> parse_value_sizes(std::string_view text);
std::string to_text(const ValueSizes& sizes);

}  // namespace kv
