#include "tests/server/refused_memory.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

#include <malloc.h>

namespace {

std::atomic<std::size_t> refused_from{SIZE_MAX};
std::atomic<std::size_t> refused_to{0};
std::atomic<std::size_t> refused_times{0};
std::atomic<std::size_t> asked_times{0};
std::atomic<std::size_t> granted_times{0};

std::atomic<bool> counting{false};
std::atomic<std::int64_t> held{0};
std::atomic<std::int64_t> held_peak{0};
std::atomic<std::int64_t> allocated{0};

void count_in(void* block) noexcept {
  if (!counting.load(std::memory_order_relaxed)) return;
  const auto bytes = static_cast<std::int64_t>(malloc_usable_size(block));
  allocated.fetch_add(bytes, std::memory_order_relaxed);
  const std::int64_t now = held.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  std::int64_t peak = held_peak.load(std::memory_order_relaxed);
  while (peak < now && !held_peak.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

void count_out_and_free(void* block) noexcept {
  if (block != nullptr && counting.load(std::memory_order_relaxed))
    held.fetch_sub(static_cast<std::int64_t>(malloc_usable_size(block)), std::memory_order_relaxed);
  std::free(block);
}

}  // namespace

// Elsewhere the other forms go through these. A sanitizer has each form as a function of its own, which leaves out what
// is replaced here: so the one that Catch2 pairs with delete is here too.
void* operator new(std::size_t bytes) {
  if (bytes >= refused_from.load(std::memory_order_relaxed) && bytes <= refused_to.load(std::memory_order_relaxed) &&
      asked_times.fetch_add(1, std::memory_order_relaxed) >= granted_times.load(std::memory_order_relaxed)) {
    refused_times.fetch_add(1, std::memory_order_relaxed);
    throw std::bad_alloc();
  }
  void* block = std::malloc(bytes == 0 ? 1 : bytes);
  if (block == nullptr) throw std::bad_alloc();
  count_in(block);
  return block;
}

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return ::operator new(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void operator delete(void* block) noexcept { count_out_and_free(block); }
void operator delete(void* block, std::size_t) noexcept { count_out_and_free(block); }

namespace kv {

RefusedMemory::RefusedMemory(std::size_t from, std::size_t to, std::size_t granted) noexcept {
  refused_times = 0;
  asked_times = 0;
  granted_times = granted;
  refused_to = to;
  refused_from = from;
}

RefusedMemory::~RefusedMemory() {
  refused_from = SIZE_MAX;
  refused_to = 0;
}

std::size_t RefusedMemory::times() const noexcept { return refused_times; }

HeldMemory::HeldMemory() noexcept {
  held = 0;
  held_peak = 0;
  allocated = 0;
  counting = true;
}

HeldMemory::~HeldMemory() { counting = false; }

std::size_t HeldMemory::peak() const noexcept { return static_cast<std::size_t>(held_peak.load()); }
std::size_t HeldMemory::total() const noexcept { return static_cast<std::size_t>(allocated.load()); }

}  // namespace kv
