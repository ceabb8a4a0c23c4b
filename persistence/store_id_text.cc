#include "persistence/store_id_text.h"

#include <charconv>
#include <cstdint>
#include <random>

#include <fmt/format.h>

namespace kv {

StoreId random_store_id() {
  std::random_device device;
  StoreId id;
  for (std::byte& byte : id) byte = static_cast<std::byte>(device() & 0xff);
  return id;
}

std::string to_hex(const StoreId& id) {
  std::string hex;
  for (const std::byte byte : id) hex += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return hex;
}

std::optional<StoreId> parse_store_id(std::string_view hex) noexcept {
  StoreId id{};
  if (hex.size() != 2 * id.size()) return std::nullopt;
  for (std::size_t i = 0; i < id.size(); ++i) {
    std::uint8_t byte = 0;
    const char* from = hex.data() + 2 * i;
    if (from[0] == '+' || from[0] == '-') return std::nullopt;
    const auto [end, failure] = std::from_chars(from, from + 2, byte, 16);
    if (failure != std::errc() || end != from + 2) return std::nullopt;
    id[i] = static_cast<std::byte>(byte);
  }
  return id;
}

}  // namespace kv
