#include "store/expiry_index.h"

namespace kv {

void ExpiryIndex::reserve(std::size_t count) {
  const std::size_t needed = heap_.size() + count;
  if (needed <= heap_.capacity()) return;
  heap_.reserve(std::max(needed, heap_.capacity() + heap_.capacity() / 2 + 8));
}

void ExpiryIndex::add(UnixMillis at, std::uint64_t hash) noexcept {
  push({at, hash});
  show_next();
}

void ExpiryIndex::trim() noexcept {
  if (heap_.capacity() <= 16 ? !heap_.empty() : heap_.size() * 4 >= heap_.capacity()) return;
  try {
    Heap smaller(heap_.begin(), heap_.end(), heap_.get_allocator());
    heap_.swap(smaller);
  } catch (const std::bad_alloc&) {
    return;  // The memory stays with the heap: trimming is a favour, not a duty.
  }
}

}  // namespace kv
