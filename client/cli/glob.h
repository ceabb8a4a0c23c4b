// Patterns over keys: * any bytes, ? one character, [abc] [a-z] [!a] one of a set (ASCII), \ takes the next byte as it
// is.
//
// Ours rather than fnmatch(): keys hold NUL bytes, and the answer must not depend on the locale. Linear in pattern
// times key at worst, never exponential: only the last * is ever taken back.
//
// Threads: free function. A bracket that is not closed stands for itself.
#pragma once

#include <string_view>

namespace kv {

bool glob_matches(std::string_view pattern, std::string_view key);

}  // namespace kv
