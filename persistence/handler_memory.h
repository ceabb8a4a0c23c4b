// Memory for one Asio handler at a time, so that posting it allocates nothing.
//
// Asio takes a handler's memory from the handler's associated allocator, a few small blocks at once while it hands the
// handler from strand to io_context. They come from fixed slots here; should Asio ever want more, from the heap.
//
// Threads: all calls from any thread. Lifetime: outlives every handler posted with it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <new>
#include <utility>

namespace kv {

class HandlerMemory {
 public:
  void* allocate(std::size_t bytes) {
    if (bytes <= kSlotBytes) {
      for (Slot& slot : slots_) {
        if (!slot.used.exchange(true, std::memory_order_acquire)) return slot.bytes;
      }
    }
    return ::operator new(bytes);
  }
  void deallocate(void* memory) noexcept {
    for (Slot& slot : slots_) {
      if (memory == slot.bytes) return slot.used.store(false, std::memory_order_release);
    }
    ::operator delete(memory);
  }

 private:
  static constexpr std::size_t kSlotBytes = 256;
  struct Slot {
    alignas(std::max_align_t) std::byte bytes[kSlotBytes];
    std::atomic<bool> used{false};
  };
  std::array<Slot, 6> slots_;
};

template <class T>
class HandlerAllocator {
 public:
  using value_type = T;
  explicit HandlerAllocator(HandlerMemory& memory) noexcept : memory_(&memory) {}
  template <class U>
  HandlerAllocator(const HandlerAllocator<U>& other) noexcept : memory_(other.memory_) {}

  T* allocate(std::size_t count) { return static_cast<T*>(memory_->allocate(count * sizeof(T))); }
  void deallocate(T* pointer, std::size_t) noexcept { memory_->deallocate(pointer); }
  friend bool operator==(const HandlerAllocator&, const HandlerAllocator&) = default;

 private:
  template <class>
  friend class HandlerAllocator;
  HandlerMemory* memory_;
};

// A handler that uses `memory`.
template <class Work>
class MemoryHandler {
 public:
  using allocator_type = HandlerAllocator<Work>;
  MemoryHandler(HandlerMemory& memory, Work work) : memory_(&memory), work_(std::move(work)) {}
  allocator_type get_allocator() const noexcept { return allocator_type(*memory_); }
  void operator()() { work_(); }

 private:
  HandlerMemory* memory_;
  Work work_;
};

}  // namespace kv
