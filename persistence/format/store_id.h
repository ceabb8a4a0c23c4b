// The random name that a data directory is given once and that every file in it carries.
#pragma once

#include <array>
#include <cstddef>

namespace kv {

using StoreId = std::array<std::byte, 16>;

}  // namespace kv
