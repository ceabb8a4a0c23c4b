#include "client/cli/number_text.h"

#include <fmt/format.h>

#include "core/units.h"

namespace kv {

absl::StatusOr<std::int64_t> parse_signed(std::string_view word) {
  const bool negative = word.starts_with('-');
  const std::string_view digits = negative || word.starts_with('+') ? word.substr(1) : word;
  const auto number = parse_number(digits);
  constexpr std::uint64_t kMost = std::uint64_t{1} << 63;
  if (!number.ok() || *number > (negative ? kMost : kMost - 1)) {
    return absl::InvalidArgumentError(fmt::format("'{}' is no whole number of 64 bits", word));
  }
  return negative ? static_cast<std::int64_t>(-*number) : static_cast<std::int64_t>(*number);
}

}  // namespace kv
