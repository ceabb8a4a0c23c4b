// Where the data lies: entries, tables and expiry indexes, apart from everything else in the process.
//
// Why apart: what a snapshot's child does not share costs a copy, and what is not in huge pages makes the fork longer.
// So blocks that are written all the time (requests, answers, the log's queue) must not lie between entries.
//
// In a program that is linked with jemalloc it is an arena of its own over HugePlaces. Elsewhere (tests, and the
// sanitizers, which bring an allocator) it is operator new. Either way malloc_usable_size() is right for its blocks.
//
// Threads:  all calls from any thread; a block may be freed by another thread than the one that allocated it.
// Lifetime: as long as the process; a block may be freed while static objects are destroyed.
// Errors:   allocate() throws std::bad_alloc.
// Source:   jemalloc(3), extent_hooks_t.
#pragma once

#include <cstddef>

#include "store/huge_places.h"

namespace kv::data_heap {

void* allocate(std::size_t bytes);
// `bytes` as they were asked for. The thread keeps the block at hand for its next allocation of that size.
void reuse(void* block, std::size_t bytes) noexcept;
// For what is gone without a successor: a block that a thread keeps would keep its whole place from the system. Null is
// fine.
void free(void* block) noexcept;
void free(void* block, std::size_t bytes) noexcept;

// What a block takes that was asked for with `bytes`: malloc_usable_size(), but from the number alone where that can
// be, so that no table of the allocator is looked into, which a cache has seldom.
std::size_t taken_bytes(void* block, std::size_t bytes) noexcept;

// Empty where there is no arena.
HugePlaces& places() noexcept;

}  // namespace kv::data_heap
