// Files in the data directory that hold no data: for people, or of a moment in a start. Neither MANIFEST nor the sweep
// know them, and they are nobody else's.
#pragma once

#include <string_view>

namespace kv {

// The report of the last start; with a token behind it, that of one which went on without what was damaged.
inline constexpr std::string_view kRecoveryReportName = "RECOVERY";
// Files that a start is about to put under another name: see persistence/set_aside.h.
inline constexpr std::string_view kSetAsideName = "SET_ASIDE";

inline bool is_side_file(std::string_view name) noexcept {
  return name.starts_with(kRecoveryReportName) || name.starts_with(kSetAsideName);
}

}  // namespace kv
