#include "persistence/snapshot_sink.h"

#include <cerrno>

#include <unistd.h>

namespace kv {

bool DescriptorSink::write(Bytes data) noexcept {
  while (!data.empty()) {
    const ssize_t done = ::write(descriptor_, data.data(), data.size());
    if (done > 0) {
      data = data.subspan(static_cast<std::size_t>(done));
    } else if (done == 0) {
      return fail(EIO);  // A file that takes nothing and names no reason would be tried for ever.
    } else if (errno != EINTR) {
      return fail(errno);
    }
  }
  return true;
}

bool DescriptorSink::sync_data() noexcept { return ::fdatasync(descriptor_) == 0 || fail(errno); }

bool DescriptorSink::sync() noexcept { return ::fsync(descriptor_) == 0 || fail(errno); }

bool FileSink::write(Bytes data) noexcept {
  if (!keep(write_all_at(file_, data, offset_))) return false;
  offset_ += data.size();
  return true;
}

bool FileSink::sync_data() noexcept { return keep(file_.sync_data()); }

bool FileSink::sync() noexcept { return keep(file_.sync()); }

bool FileSink::keep(const absl::Status& status) noexcept {
  if (status.ok()) return true;
  const int error_number = errno_of(status);
  return fail(error_number != 0 ? error_number : EIO);
}

}  // namespace kv
