// Debian's Abseil is built with string types of its own (absl::string_view is not std::string_view). Everything of ours
// speaks std; these two cross the border.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace kv {

inline absl::string_view to_absl(std::string_view text) noexcept { return {text.data(), text.size()}; }
inline std::string_view from_absl(absl::string_view text) noexcept { return {text.data(), text.size()}; }
inline std::string_view message_of(const absl::Status& status) noexcept { return from_absl(status.message()); }

}  // namespace kv
