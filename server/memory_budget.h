// Whether there is room for one more write: the limit of --max-memory, and what is known of it at this moment.
//
// Counted against the limit is what the data take, as the allocator rounds it, tables and indexes included, and what
// the server holds beside them for its callers: requests that are being served, and the queue of the log. A write that
// would exceed it is refused before anything is applied; removals are not asked about, and so always work.
//
// Hard part: every write asks, on every core. So the answer is two loads: the store's own sum, which is a little behind
// (Store::memory_bytes_about), and the room that look() has worked out last. What is beside the data is therefore as
// old as the last look.
//
// The second line of defence is the kernel's own limit. Copies that a snapshot child makes necessary, free memory in
// pieces that nobody can use, buffers of the kernel: none of it is in any count of ours, all of it can bring the
// killer. When the distance to it is used up, look() leaves no room for any write until there is distance again. Copies
// come from writes alone, so refusing writes stops them.
//
// Threads:  admit() from any; look() and set_limit() from any, one after the other by a lock; the figures from any.
// Units:    bytes.
// Errors:   MEMORY_LIMIT: not applied, never will be.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>

#include "absl/status/status.h"
#include "store/store.h"

namespace kv {

class MemoryBudget {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit MemoryBudget(const Store& store) : store_(store) {}

  // For a write that adds so many bytes of keys and values to the data, whatever it may replace. OK, or MEMORY_LIMIT.
  absl::Status admit(std::size_t bytes) noexcept {
    if (store_.memory_bytes_about() + bytes + kEntryBytes <= room_.load(std::memory_order_relaxed)) [[likely]] {
      return absl::OkStatus();
    }
    return refuse();
  }

  void set_limit(std::uint64_t bytes);
  std::uint64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }

  struct Seen {
    std::uint64_t beside = 0;   // held beside the data, and counted against the limit
    std::int64_t headroom = 0;  // to the kernel's limit; not above 0: no write any more
  };
  // From time to time, several times a second.
  void look(const Seen& seen, Time now);

  // From the first write that was refused, or would be, until there is room again and none has been refused for a
  // second.
  bool alarmed() const noexcept { return alarmed_.load(std::memory_order_relaxed); }
  // Of the two reasons to refuse, whether it is the kernel's.
  bool pressed() const noexcept { return pressed_.load(std::memory_order_relaxed); }

 private:
  // What an entry costs beside its bytes: its header, its slot, the allocator's rounding of a small one.
  static constexpr std::size_t kEntryBytes = 48;
  static constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max() / 2;

  absl::Status refuse() noexcept;
  void work_out_room();  // mutex_ held

  const Store& store_;
  std::atomic<std::uint64_t> room_{kUnlimited};  // that the store may have in all
  std::atomic<std::uint64_t> limit_{kUnlimited};
  std::atomic<bool> refused_{false};  // since the last look
  std::atomic<bool> alarmed_{false};
  std::atomic<bool> pressed_{false};

  std::mutex mutex_;
  Seen seen_{0, std::numeric_limits<std::int64_t>::max()};  // guarded by mutex_
  Time last_refusal_{};                                     // guarded by mutex_
};

}  // namespace kv
