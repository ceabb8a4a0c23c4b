// What the kernel says about the memory of this process: pages that are there, huge ones among them.
// Units: bytes.
#pragma once

#include <cstddef>

namespace kv {

// Of [begin, begin + bytes), whole pages.
std::size_t resident_bytes(const void* begin, std::size_t bytes);
// Of the whole mapping that holds `address`: how much of it huge pages back. Mappings that lie side by side are one.
std::size_t huge_bytes_of_mapping(const void* address);
// Of the process.
std::size_t resident_bytes();
std::size_t huge_bytes();

}  // namespace kv
