// An allocator on the data heap that adds up what its containers really take, as the heap rounds it, and that can be
// made to succeed.
//
// Hard part: absl's tables do not survive an allocation that throws: they have noted their new size by then. So the
// memory for a bigger table is obtained first, with keep_ready(), where a failure harms nothing; the table then
// finds it waiting.
//
// Lifetime: the count outlives its containers. Threads: those of the containers. Units: bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <malloc.h>

#include "store/data_heap.h"

namespace kv {

class MemoryCount {
 public:
  MemoryCount() = default;
  ~MemoryCount() { drop_ready(); }
  MemoryCount(const MemoryCount&) = delete;
  MemoryCount& operator=(const MemoryCount&) = delete;

  // The next allocation of at most so many bytes will not fail. Throws std::bad_alloc.
  void keep_ready(std::size_t bytes) {
    drop_ready();
    ready_ = data_heap::allocate(bytes);
    ready_bytes_ = bytes;
  }
  void drop_ready() noexcept {
    data_heap::free(std::exchange(ready_, nullptr));
    ready_bytes_ = 0;
  }

  void* allocate(std::size_t bytes) {
    void* block =
        ready_ != nullptr && bytes <= ready_bytes_ ? std::exchange(ready_, nullptr) : data_heap::allocate(bytes);
    count_in(block);
    return block;
  }
  void deallocate(void* block) noexcept {
    count_out(block);
    data_heap::free(block);
  }

  void count_in(void* block) noexcept { bytes_ += malloc_usable_size(block); }
  void count_out(void* block) noexcept { bytes_ -= malloc_usable_size(block); }
  // The same, of a block whose length is known as it was asked for.
  void count_in(void* block, std::size_t bytes) noexcept { bytes_ += data_heap::taken_bytes(block, bytes); }
  void count_out(void* block, std::size_t bytes) noexcept { bytes_ -= data_heap::taken_bytes(block, bytes); }
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  std::uint64_t bytes_ = 0;
  void* ready_ = nullptr;
  std::size_t ready_bytes_ = 0;
};

template <class T>
class CountingAllocator {
 public:
  using value_type = T;

  explicit CountingAllocator(MemoryCount* count) noexcept : count_(count) {}
  template <class U>
  CountingAllocator(const CountingAllocator<U>& other) noexcept : count_(other.count()) {}

  // NOLINTNEXTLINE(bugprone-sizeof-expression): T may be a pointer.
  T* allocate(std::size_t count) { return static_cast<T*>(count_->allocate(count * sizeof(T))); }
  void deallocate(T* block, std::size_t) noexcept { count_->deallocate(block); }

  MemoryCount* count() const noexcept { return count_; }
  friend bool operator==(const CountingAllocator& a, const CountingAllocator& b) noexcept {
    return a.count_ == b.count_;
  }

 private:
  MemoryCount* count_;
};

}  // namespace kv
