// Makes this program's operator new fail on demand, in the calling thread alone.
// Lifetime: the latest made wins; the destructor lets allocations succeed again.
#pragma once

#include <cstddef>

namespace kv {

class FailingAllocation {
 public:
  // The allocation after `successes` more throws std::bad_alloc, and so does every later one.
  explicit FailingAllocation(std::size_t successes) noexcept;
  ~FailingAllocation();
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;

  // Whether an allocation was refused.
  bool struck() const noexcept;
};

}  // namespace kv
