#include "failing_allocation.h"

#include <cstdlib>
#include <limits>
#include <new>

namespace {

constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();
thread_local std::size_t successes_left = kNever;
thread_local bool refused = false;

void* allocate(std::size_t bytes, std::size_t alignment) {
  if (successes_left == 0) {
    refused = true;
    throw std::bad_alloc();
  }
  if (successes_left != kNever) --successes_left;
  // aligned_alloc wants a multiple of the alignment.
  void* block = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate(bytes == 0 ? 1 : bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, static_cast<std::size_t>(alignment));
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
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }

namespace kv {

FailingAllocation::FailingAllocation(std::size_t successes) noexcept {
  successes_left = successes;
  refused = false;
}
FailingAllocation::~FailingAllocation() { successes_left = kNever; }
bool FailingAllocation::struck() const noexcept { return refused; }

}  // namespace kv
