#include "persistence/batch_queue.h"

#include <cassert>
#include <new>

#include <sys/mman.h>

namespace kv {
namespace {

std::byte* reserve(std::size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(memory);
}

}  // namespace

BatchQueue::BatchQueue(std::size_t capacity_bytes)
    : capacity_(capacity_bytes + kBatchHeaderBytes), memory_(reserve(2 * capacity_)) {}

BatchQueue::~BatchQueue() { ::munmap(memory_, 2 * capacity_); }

std::span<std::byte> BatchQueue::push(std::size_t record_bytes, Revision revision, std::uint64_t space_bytes) noexcept {
  assert(record_bytes <= room_bytes());
  std::byte* const at = memory_ + filling_ * capacity_ + used_;
  used_ += record_bytes;
  ++record_count_;
  space_bytes_ += space_bytes;
  last_revision_ = revision;
  return {at, record_bytes};
}

BatchQueue::Taken BatchQueue::take() noexcept {
  const Taken taken{.bytes = {memory_ + filling_ * capacity_, used_},
                    .record_count = record_count_,
                    .last_revision = last_revision_,
                    .space_bytes = space_bytes_};
  filling_ = 1 - filling_;
  used_ = kBatchHeaderBytes;
  record_count_ = 0;
  space_bytes_ = 0;
  return taken;
}

}  // namespace kv
