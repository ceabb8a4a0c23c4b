#include "store/data_heap.h"

#include <cstdio>
#include <new>

#include <jemalloc/jemalloc.h>
#include <malloc.h>

// Null in a program that is not linked with jemalloc.
#pragma weak mallocx
#pragma weak dallocx
#pragma weak sdallocx
#pragma weak mallctl
#pragma weak nallocx

namespace kv::data_heap {
namespace {

// Each hook gives false when it has done it. What has no hook is not done: address space is never given back, and
// memory only by HugePlaces.
void* take(extent_hooks_t*, void* wanted, std::size_t bytes, std::size_t alignment, bool* zero, bool* commit,
           unsigned) noexcept {
  if (wanted != nullptr) return nullptr;  // A place next to another extent: never promised.
  void* const begin = places().take(bytes, alignment);
  if (begin == nullptr) return nullptr;
  if (*commit) places().use(begin, bytes);
  *zero = true;
  return begin;
}
bool commit(extent_hooks_t*, void* begin, std::size_t, std::size_t offset, std::size_t bytes, unsigned) noexcept {
  places().use(static_cast<std::byte*>(begin) + offset, bytes);
  return false;
}
bool decommit(extent_hooks_t*, void* begin, std::size_t, std::size_t offset, std::size_t bytes, unsigned) noexcept {
  places().idle(static_cast<std::byte*>(begin) + offset, bytes);
  return false;
}
bool split(extent_hooks_t*, void*, std::size_t, std::size_t, std::size_t, bool, unsigned) noexcept { return false; }
bool merge(extent_hooks_t*, void*, std::size_t, void*, std::size_t, bool, unsigned) noexcept { return false; }

extent_hooks_t hooks{.alloc = take,
                     .dalloc = nullptr,
                     .destroy = nullptr,
                     .commit = commit,
                     .decommit = decommit,
                     .purge_lazy = nullptr,
                     .purge_forced = nullptr,
                     .split = split,
                     .merge = merge};

// The arena as a flag of mallocx(); 0 when jemalloc cannot make one, and then the data lies among the rest.
int make_arena() noexcept {
  unsigned arena = 0;
  std::size_t size = sizeof arena;
  extent_hooks_t* ours = &hooks;
  // NOLINTNEXTLINE(bugprone-sizeof-expression): what is handed over is the pointer.
  if (mallctl("arenas.create", &arena, &size, &ours, sizeof ours) != 0) return 0;
  // Address space is asked for in steps of one place, not in ever greater ones.
  char name[48];
  std::snprintf(name, sizeof name, "arena.%u.retain_grow_limit", arena);
  std::size_t limit = HugePlaces::kPlaceBytes;
  mallctl(name, nullptr, nullptr, &limit, sizeof limit);
  return MALLOCX_ARENA(arena);
}

// How a thread asks: through a cache of its own, because the automatic one belongs to the other arenas.
struct ThreadState {
  int allocate = 0;
  int reuse = 0;  // 0: not made yet
  unsigned frees_until_empty = 0;
};
thread_local ThreadState thread_state;

class ThreadCache {
 public:
  ThreadCache() = default;
  // What the thread frees after this goes past the cache.
  ~ThreadCache() {
    if (!made_) return;
    thread_state.allocate = (thread_state.allocate & ~thread_state.reuse) | MALLOCX_TCACHE_NONE;
    thread_state.reuse = MALLOCX_TCACHE_NONE;
    made_ = false;
    mallctl("tcache.destroy", nullptr, nullptr, &number_, sizeof number_);
  }
  ThreadCache(const ThreadCache&) = delete;
  ThreadCache& operator=(const ThreadCache&) = delete;

  // Its flag.
  int make() noexcept {
    std::size_t size = sizeof number_;
    made_ = mallctl("tcache.create", &number_, &size, nullptr, 0) == 0;
    return made_ ? MALLOCX_TCACHE(number_) : MALLOCX_TCACHE_NONE;
  }
  void empty() noexcept {
    if (made_) mallctl("tcache.flush", nullptr, nullptr, &number_, sizeof number_);
  }

 private:
  unsigned number_ = 0;
  bool made_ = false;
};
thread_local ThreadCache thread_cache;

[[gnu::noinline]] void make_thread_state() noexcept {
  static const int arena = make_arena();
  thread_state.reuse = thread_cache.make();
  thread_state.allocate = arena | thread_state.reuse;
}

const ThreadState& flags() noexcept {
  if (thread_state.reuse == 0) make_thread_state();
  return thread_state;
}

// When much is removed, what was replaced before and lies in the cache must not keep places from the system either.
void empty_cache_now_and_then() noexcept {
  constexpr unsigned kFrees = 256;
  if (thread_state.frees_until_empty-- != 0) return;
  thread_state.frees_until_empty = kFrees;
  if (thread_state.reuse != 0 && thread_state.reuse != MALLOCX_TCACHE_NONE) thread_cache.empty();
}

bool has_arena() noexcept { return mallocx != nullptr; }

}  // namespace

HugePlaces& places() noexcept {
  // Never destroyed: the arena asks it until the process has ended. Made at the first allocation of all: without memory
  // for it there is no program. NOLINTNEXTLINE(bugprone-unhandled-exception-at-new)
  static HugePlaces& all = *new HugePlaces;
  return all;
}

void* allocate(std::size_t bytes) {
  if (!has_arena()) return ::operator new(bytes);
  void* const block = mallocx(bytes, flags().allocate);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void reuse(void* block, std::size_t bytes) noexcept {
  if (!has_arena()) return ::operator delete(block, bytes);
  sdallocx(block, bytes, flags().reuse);
}

std::size_t taken_bytes(void* block, std::size_t bytes) noexcept {
  return has_arena() ? nallocx(bytes, 0) : malloc_usable_size(block);
}

void free(void* block) noexcept {
  if (!has_arena()) return ::operator delete(block);
  if (block == nullptr) return;
  dallocx(block, MALLOCX_TCACHE_NONE);
  empty_cache_now_and_then();
}

void free(void* block, std::size_t bytes) noexcept {
  if (!has_arena()) return ::operator delete(block, bytes);
  if (block == nullptr) return;
  sdallocx(block, bytes, MALLOCX_TCACHE_NONE);
  empty_cache_now_and_then();
}

}  // namespace kv::data_heap
