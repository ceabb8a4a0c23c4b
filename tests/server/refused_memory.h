// Lets `operator new` fail in this program, for blocks of the sizes a test names: what a machine without memory does to
// whoever wants a large block, while small ones are still there.
//
// Hard part: gRPC and the store have allocators of their own (malloc, jemalloc's arenas), which stay as they are, so
// that what fails is our use of the standard containers and protobuf's.
//
// Threads: all threads are refused alike, while the object lives; one at a time.
#pragma once

#include <cstddef>

namespace kv {

class RefusedMemory {
 public:
  // Blocks of `from` to `to` bytes, both included, but for the first so many.
  RefusedMemory(std::size_t from, std::size_t to, std::size_t granted = 0) noexcept;
  ~RefusedMemory();
  RefusedMemory(const RefusedMemory&) = delete;
  RefusedMemory& operator=(const RefusedMemory&) = delete;

  // How often a block was refused.
  std::size_t times() const noexcept;
};

// The bytes that blocks took which were allocated while the object lives.
class HeldMemory {
 public:
  HeldMemory() noexcept;
  ~HeldMemory();
  HeldMemory(const HeldMemory&) = delete;
  HeldMemory& operator=(const HeldMemory&) = delete;

  // Less those that were freed: the most at any moment so far.
  std::size_t peak() const noexcept;
  // Of all, freed or not: what was copied shows here even when each copy is thrown away at once.
  std::size_t total() const noexcept;
};

}  // namespace kv
