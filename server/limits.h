// The bounds that a request is held to before anything is applied. Units: bytes.
#pragma once

#include <algorithm>
#include <cstddef>

namespace kv {

struct Limits {
  std::size_t key_bytes_max = std::size_t{64} << 10;
  std::size_t entry_bytes_max = (std::size_t{4} << 20) - (std::size_t{4} << 10);  // key and value together
  std::size_t legacy_keys_bytes_max = std::size_t{64} << 20;
  std::size_t scan_budget_bytes = std::size_t{64} << 20;  // of old entries that one scan may make the server keep
  unsigned scans_max = 16;                                // under way at once

  // Of an answer with several results: what a client takes that was told nothing, and whatever one entry needs.
  std::size_t response_bytes_max() const noexcept {
    constexpr std::size_t kClientDefault = std::size_t{4} << 20;
    constexpr std::size_t kFraming = std::size_t{4} << 10;
    return std::max(kClientDefault, entry_bytes_max + kFraming);
  }
};

}  // namespace kv
