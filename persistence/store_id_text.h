// Store ids made, written and read.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "persistence/format/store_id.h"

namespace kv {

StoreId random_store_id();
// 32 lower-case hexadecimal digits, and back; nothing for any other text.
std::string to_hex(const StoreId& id);
std::optional<StoreId> parse_store_id(std::string_view hex) noexcept;

}  // namespace kv
