// Records on their way to the strand: one buffer is filled while the other is written.
//
// Hard part: append() must not allocate, so both buffers are address space reserved up front; only pages that were ever
// used cost memory, and a busy journal keeps using the same ones. Before the first record a gap is left for a batch
// header; later headers are written over the end of records that are already in the file.
//
// Threads: guarded by its owner's mutex; a Taken buffer belongs to the strand until give_back().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "persistence/format/log_format.h"
#include "store/types.h"

namespace kv {

class BatchQueue {
 public:
  // What the strand took: records back to back, after kBatchHeaderBytes of room.
  struct Taken {
    std::span<std::byte> bytes;  // the gap included
    std::uint64_t record_count = 0;
    Revision last_revision = 0;
    std::uint64_t space_bytes = 0;  // log space that these records had reserved
  };

  // Throws std::bad_alloc when the address space is not to be had.
  explicit BatchQueue(std::size_t capacity_bytes);
  ~BatchQueue();
  BatchQueue(const BatchQueue&) = delete;
  BatchQueue& operator=(const BatchQueue&) = delete;

  bool empty() const noexcept { return record_count_ == 0; }
  std::size_t queued_bytes() const noexcept { return used_ - kBatchHeaderBytes; }
  // What records may still take, tickets that are out not counted.
  std::size_t room_bytes() const noexcept { return capacity_ - used_; }

  // Room for one record, to be filled before the mutex is released. The caller has checked room_bytes().
  std::span<std::byte> push(std::size_t record_bytes, Revision revision, std::uint64_t space_bytes) noexcept;

  // The filled buffer; the other one, which the strand must have done with, is filled from now on.
  Taken take() noexcept;

 private:
  const std::size_t capacity_;
  std::byte* const memory_;  // two buffers of capacity_
  unsigned filling_ = 0;
  std::size_t used_ = kBatchHeaderBytes;
  std::uint64_t record_count_ = 0;
  std::uint64_t space_bytes_ = 0;
  Revision last_revision_ = 0;
};

}  // namespace kv
