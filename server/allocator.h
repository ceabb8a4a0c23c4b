// What the process's allocator can be asked for beside memory.
// Threads: any.
#pragma once

#include <cstdint>

namespace kv {

// Gives the kernel back what is free. The allocator does that by itself too, but later, and only while it is used.
void give_back_free_memory() noexcept;
// Memory that it has from the kernel and nobody uses.
std::uint64_t free_bytes_held() noexcept;

}  // namespace kv
