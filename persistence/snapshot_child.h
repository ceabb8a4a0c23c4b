// What the forked child does: becomes harmless, writes the snapshot, reports on a pipe, ends.
//
// Hard part: it is the image of a threaded gRPC process in which only one thread goes on. Every lock may be held for
// ever by a thread that is not there, the allocator's too. So: memory and raw system calls, nothing else. And it holds
// a copy of every descriptor: what it does not close stays open, however the parent ends.
//
// Source: signal-safety(7), prctl(2) on PR_SET_PDEATHSIG, ioprio_set(2).
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <type_traits>

#include <sys/types.h>

#include "persistence/format/snapshot_format.h"
#include "persistence/snapshot_sink.h"
#include "store/store.h"

namespace kv {

// One write to the pipe, shorter than PIPE_BUF and therefore never torn.
struct SnapshotChildMessage {
  enum class Kind : std::uint32_t { kProgress = 1, kWritten = 2, kFailed = 3 };
  Kind kind = Kind::kProgress;
  int error_number = 0;            // kFailed
  SnapshotProgress progress;       // kProgress
  snapshot_format::Footer totals;  // kWritten
  std::uint64_t copied_bytes = 0;  // kWritten: memory that it shares with nobody (persistence/private_memory.h)
  bool copied_known = false;       // the system said how much that is
};
static_assert(std::is_trivially_copyable_v<SnapshotChildMessage>);
static_assert(sizeof(SnapshotChildMessage) <= 512, "PIPE_BUF is at least 512");

// All of it prepared before the fork.
struct SnapshotChildPlan {
  int file = -1;  // empty, open for writing
  int pipe = -1;  // the writing end
  pid_t parent = 0;
  const Store* store = nullptr;
  snapshot_format::FileHeader header;
  std::span<std::byte> buffer;
  std::uint64_t sync_every_bytes = 0;
  std::chrono::microseconds pause_per_write{0};  // slows the child down, for tests
};

[[noreturn]] void run_snapshot_child(const SnapshotChildPlan& plan) noexcept;

}  // namespace kv
