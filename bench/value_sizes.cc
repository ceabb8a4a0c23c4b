#include "bench/value_sizes.h"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>

#include "core/units.h"

namespace kv {
namespace {

absl::StatusOr<ValueSizes> read_list(const std::string& path, std::ifstream& file) {
  std::vector<std::uint32_t> sizes;
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    const auto size = parse_size(line);
    if (!size.ok() || *size > kValueBytesMax) {
      return absl::InvalidArgumentError(
          fmt::format("{}:{}: '{}' is no size: 64, 1KiB, at most 256MiB", path, number, line.substr(0, 40)));
    }
    if (sizes.size() == kListedSizesMax) {
      return absl::InvalidArgumentError(fmt::format("{}: more than {} sizes", path, kListedSizesMax));
    }
    sizes.push_back(static_cast<std::uint32_t>(*size));
  }
  if (file.bad()) return absl::InvalidArgumentError(fmt::format("{} cannot be read", path));
  if (sizes.empty()) return absl::InvalidArgumentError(fmt::format("{} lists no size", path));
  const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
  ValueSizes made{*least, *most};
  made.listed = std::make_shared<const std::vector<std::uint32_t>>(std::move(sizes));
  made.file = path;
  return made;
}

}  // namespace

absl::StatusOr<ValueSizes> parse_value_sizes(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto least = parse_size(text.substr(0, dash));
  const auto most = dash == std::string_view::npos ? least : parse_size(text.substr(dash + 1));
  if (least.ok() && most.ok() && *least <= *most && *most <= kValueBytesMax) return ValueSizes{*least, *most};
  const std::string path(text);
  std::ifstream file(path);
  if (!text.empty() && file) return read_list(path, file);
  return absl::InvalidArgumentError(fmt::format(
      "'{}' is no size (64, 1KiB, a range such as 16-1024; at most 256MiB), and no file that lists them", text));
}

std::string to_text(const ValueSizes& sizes) {
  if (sizes.listed) return fmt::format("{} sizes of {}", sizes.listed->size(), sizes.file);
  return sizes.least == sizes.most ? fmt::format("{}", sizes.least) : fmt::format("{}-{}", sizes.least, sizes.most);
}

}  // namespace kv
