#include "tests/server/refused_memory.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> refused_from{SIZE_MAX};
std::atomic<std::size_t> refused_to{0};
std::atomic<std::size_t> refused_times{0};

}  // namespace

// Elsewhere the other forms go through these. A sanitizer has each form as a function of its own, which leaves out what
// is replaced here: so the one that Catch2 pairs with delete is here too.
void* operator new(std::size_t bytes) {
  if (bytes >= refused_from.load(std::memory_order_relaxed) && bytes <= refused_to.load(std::memory_order_relaxed)) {
    refused_times.fetch_add(1, std::memory_order_relaxed);
    throw std::bad_alloc();
  }
  void* block = std::malloc(bytes == 0 ? 1 : bytes);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return ::operator new(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace kv {

RefusedMemory::RefusedMemory(std::size_t from, std::size_t to) noexcept {
  refused_times = 0;
  refused_to = to;
  refused_from = from;
}

RefusedMemory::~RefusedMemory() {
  refused_from = SIZE_MAX;
  refused_to = 0;
}

std::size_t RefusedMemory::times() const noexcept { return refused_times; }

}  // namespace kv
