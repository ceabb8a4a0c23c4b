// Which characters may be shown as they are, on a terminal and in a line of the log: none that ends a line, moves the
// cursor or turns the direction of writing around.
//
// Threads: free functions, pure. Errors: what is not UTF-8 has size 0.
// Source: Unicode 15; controls are C0, DEL and C1, so NEL is one; beside them U+2028 and U+2029 end a line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kv {

struct Character {
  std::uint32_t code = 0;
  std::size_t size = 0;  // in bytes; 0: the first byte begins no character
};

// Of at least one byte. Strict: no overlong forms, no surrogates, nothing above U+10FFFF.
Character first_character(std::string_view bytes) noexcept;

// A character that may be shown; false also for what is none.
bool is_printable(Character character) noexcept;

}  // namespace kv
