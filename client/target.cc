#include "client/target.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/units.h"

namespace kv {
namespace {

constexpr std::string_view kDefaultPort = "50051";
constexpr std::string_view kSchemes[] = {"unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:"};

absl::Status refuse(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("'{}' {}; expected HOST:PORT", text, why));
}

bool is_port(std::string_view text) {
  const auto number = parse_number(text);
  return number.ok() && *number >= 1 && *number <= 65535;
}

}  // namespace

absl::StatusOr<std::string> parse_target(std::string_view text) {
  if (text.empty()) return refuse(text, "is empty");
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (!printable) return refuse(text, "contains blanks or characters that no address has");
  for (std::string_view scheme : kSchemes) {
    if (text.starts_with(scheme)) return std::string(text);
  }
  if (text.find("//") != text.npos) return refuse(text, "is a URL");

  std::string_view host = text;
  std::string_view port = kDefaultPort;
  const std::size_t colon = text.rfind(':');
  if (text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == text.npos) return refuse(text, "lacks the closing bracket");
    host = text.substr(0, close + 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return refuse(text, "has text after the bracket");
    if (!rest.empty()) port = rest.substr(1);
  } else if (std::count(text.begin(), text.end(), ':') > 1) {
    return fmt::format("[{}]:{}", text, kDefaultPort);  // A bare IPv6 address.
  } else if (colon != text.npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (host.empty() || host == "[]") return refuse(text, "has no host");
  if (!is_port(port)) return refuse(text, "has a port that is not a number from 1 to 65535");
  return fmt::format("{}:{}", host, port);
}

}  // namespace kv
