// Looks at the memory several times a second and tells the budget; logs when writes begin to be refused and when that
// is over; asks the allocator to give back what is free when the kernel's limit comes near.
//
// Hard part: the nearer the limit, the more often it must look. Copies for a snapshot child are made as fast as memory
// can be copied, so the next look comes before the present distance could be used up.
//
// Threads:  limit_is() from any; the rest on the thread of the events.
// Lifetime: the budget outlives it; `events` ends before it does.
#pragma once

#include <cstdint>
#include <functional>

#include "server/event_thread.h"
#include "server/machine_memory.h"
#include "server/memory_budget.h"

namespace kv {

class MemoryWatch {
 public:
  // `beside`: bytes that are held beside the data and count against the limit. Asked with every look.
  MemoryWatch(MemoryBudget& budget, std::function<std::uint64_t()> beside)
      : budget_(budget), beside_(std::move(beside)), automatic_(automatic_limit(machine_.read())) {}

  // Three quarters of what the kernel allows: the rest is for the process itself, for memory that is free in pieces
  // nobody can use, and for the copies that a snapshot child makes necessary.
  static std::uint64_t automatic_limit(const MemoryReading& reading) noexcept;
  std::uint64_t automatic_limit() const noexcept { return automatic_; }

  // From now on the limit is `bytes`; 0: the automatic one.
  void limit_is(std::uint64_t bytes);
  void start(EventThread& events);

  // One look, and how long until the next. For start(), and for tests.
  std::chrono::milliseconds look();

 private:
  void look_again(EventThread& events);

  MemoryBudget& budget_;
  const std::function<std::uint64_t()> beside_;
  const MachineMemory machine_;
  const std::uint64_t automatic_;
  bool alarmed_ = false;
  MemoryBudget::Time gave_back_{};
};

}  // namespace kv
