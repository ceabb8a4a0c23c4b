#include "core/spare_descriptors.h"

#include <fcntl.h>
#include <unistd.h>

namespace kv {

SpareDescriptors::~SpareDescriptors() {
  for (const int spare : spares_) ::close(spare);
}

std::size_t SpareDescriptors::keep(std::size_t count) {
  std::lock_guard lock(mutex_);
  wanted_ = count + 1;
  spares_.reserve(wanted_);  // close() must not allocate.
  while (spares_.size() < wanted_) {
    const int spare = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (spare < 0) break;
    spares_.push_back(spare);
  }
  return spares_.empty() ? 0 : spares_.size() - 1;
}

bool SpareDescriptors::free_one() noexcept {
  const int error_number = errno;
  std::lock_guard lock(mutex_);
  const bool one_left = spares_.size() > 1;
  if (one_left) {
    ::close(spares_.back());
    spares_.pop_back();
  }
  errno = error_number;
  return one_left;
}

void SpareDescriptors::close(int descriptor) noexcept {
  std::lock_guard lock(mutex_);
  const bool lacking = !spares_.empty() && spares_.size() < wanted_;
  if (lacking && ::dup3(spares_.front(), descriptor, O_CLOEXEC) == descriptor) {
    spares_.push_back(descriptor);
  } else {
    ::close(descriptor);
  }
}

}  // namespace kv
