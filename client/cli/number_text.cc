#include "client/cli/number_text.h"

#include <charconv>

#include <fmt/format.h>

namespace kv {

absl::StatusOr<std::int64_t> parse_signed(std::string_view word) {
  const std::string_view digits = word.starts_with('+') ? word.substr(1) : word;
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failed != std::errc() || end != digits.data() + digits.size() || word.starts_with("+-")) {
    return absl::InvalidArgumentError(fmt::format("'{}' is no whole number of 64 bits", word));
  }
  return number;
}

}  // namespace kv
