#include "server/allocator.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

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

std::uint64_t free_bytes_held() noexcept {
  if (mallctl == nullptr) return mallinfo2().fordblks;
  // Figures are as old as the last epoch.
  std::uint64_t epoch = 1;
  std::size_t bytes = sizeof epoch;
  mallctl("epoch", &epoch, &bytes, &epoch, bytes);
  std::size_t resident = 0, allocated = 0;
  bytes = sizeof resident;
  mallctl("stats.resident", &resident, &bytes, nullptr, 0);
  mallctl("stats.allocated", &allocated, &bytes, nullptr, 0);
  return resident - std::min(resident, allocated);
}

}  // namespace kv
