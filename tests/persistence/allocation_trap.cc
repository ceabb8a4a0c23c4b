#include "allocation_trap.h"

#ifdef KV_ALLOCATION_TRAP
#include <atomic>
#include <cstddef>
#include <cstdlib>

namespace {

std::atomic<bool> forbidden{false};

void check() noexcept {
  if (forbidden.load(std::memory_order_relaxed)) std::abort();
}

}  // namespace

// glibc lets a program bring its own; these go on to glibc's. operator new and what the library itself allocates come
// here too.
extern "C" {
void* __libc_malloc(std::size_t bytes);  // NOLINT(bugprone-reserved-identifier)
void __libc_free(void* block);           // NOLINT(bugprone-reserved-identifier)

void* malloc(std::size_t bytes) {
  check();
  return __libc_malloc(bytes);
}
void free(void* block) {
  check();
  __libc_free(block);
}
}

namespace kv {

void forbid_allocation() noexcept { forbidden = true; }

}  // namespace kv
#endif
