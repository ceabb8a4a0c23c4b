// Whether bytes are well-formed UTF-8: no overlong form, no surrogate, nothing above U+10FFFF.
// Source: Unicode 15, table 3-7. Does not allocate; eight ASCII bytes a step.
#pragma once

#include <string_view>

namespace kv {

bool is_utf8(std::string_view text) noexcept;

}  // namespace kv
