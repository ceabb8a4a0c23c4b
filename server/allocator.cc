#include "server/allocator.h"

#include <cstddef>

#include <malloc.h>

// Of jemalloc, which the server is linked with and tests and sanitizers are not.
extern "C" int mallctl(const char* name, void* old, std::size_t* old_bytes, void* value, std::size_t value_bytes)
    __attribute__((weak));

namespace kv {

void give_back_free_memory() noexcept {
  if (mallctl != nullptr) {
    mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);  // 4096 stands for all arenas, MALLCTL_ARENAS_ALL
  } else {
    malloc_trim(0);
  }
}

}  // namespace kv
