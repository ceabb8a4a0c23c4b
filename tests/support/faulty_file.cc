#include "tests/support/faulty_file.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace kv {
namespace {

absl::Status failure(int error_number, std::string_view doing, std::string_view path) {
  return errno_status(error_number, fmt::format("{} {}", doing, path));
}

}  // namespace

FaultyFile::~FaultyFile() {
  const std::lock_guard lock(fs_.mutex_);
  if (node_->lock_holder == this) node_->lock_holder = nullptr;
}

absl::StatusOr<std::size_t> FaultyFile::write_at(Bytes data, std::uint64_t offset) {
  fs_.announce(DiskCall::kWrite, path_);
  const std::lock_guard lock(fs_.mutex_);
  const auto verdict = fs_.judge(DiskCall::kWrite, path_);
  if (verdict.error_number != 0 && !verdict.torn) return failure(verdict.error_number, "write", path_);
  if (!writable_) return failure(EBADF, "write", path_);
  const std::uint64_t size = node_->live.data.size();
  const std::uint64_t growth_max = fs_.room();
  std::size_t count = std::min(data.size(), verdict.bytes_max);
  if (offset + count > size && offset + count - size > growth_max) {
    const std::uint64_t end = size + growth_max;
    if (end <= offset && !data.empty()) return failure(ENOSPC, "write", path_);
    count = end - offset;
  }
  if (count > 0) fs_.disk_.write(node_, data.first(count), offset);
  if (verdict.torn) return failure(verdict.error_number, "write", path_);
  return count;
}

absl::StatusOr<std::size_t> FaultyFile::read_at(std::span<std::byte> into, std::uint64_t offset) {
  fs_.announce(DiskCall::kRead, path_);
  const std::lock_guard lock(fs_.mutex_);
  const auto verdict = fs_.judge(DiskCall::kRead, path_);
  if (verdict.error_number != 0) return failure(verdict.error_number, "read", path_);
  const std::string& data = node_->live.data;
  if (offset >= data.size()) return std::size_t{0};
  const std::size_t count = std::min({into.size(), data.size() - offset, verdict.bytes_max});
  if (count > 0) std::memcpy(into.data(), data.data() + offset, count);
  return count;
}

absl::Status FaultyFile::sync_data() { return fs_.sync_node(DiskCall::kSyncData, node_, path_); }
absl::Status FaultyFile::sync() { return fs_.sync_node(DiskCall::kSync, node_, path_); }

absl::Status FaultyFile::allocate(std::uint64_t bytes) {
  fs_.announce(DiskCall::kAllocate, path_);
  const std::lock_guard lock(fs_.mutex_);
  const auto verdict = fs_.judge(DiskCall::kAllocate, path_);
  if (verdict.error_number != 0) return failure(verdict.error_number, "fallocate", path_);
  if (!writable_) return failure(EBADF, "fallocate", path_);
  if (bytes == 0) return failure(EINVAL, "fallocate", path_);
  const std::uint64_t size = node_->live.data.size();
  if (bytes > size && bytes - size > fs_.room()) return failure(ENOSPC, "fallocate", path_);
  fs_.disk_.grow(node_, bytes);
  return absl::OkStatus();
}

absl::Status FaultyFile::truncate(std::uint64_t size) {
  fs_.announce(DiskCall::kTruncate, path_);
  const std::lock_guard lock(fs_.mutex_);
  const auto verdict = fs_.judge(DiskCall::kTruncate, path_);
  if (verdict.error_number != 0) return failure(verdict.error_number, "ftruncate", path_);
  if (!writable_) return failure(EBADF, "ftruncate", path_);
  const std::uint64_t now = node_->live.data.size();
  if (size > now && size - now > fs_.room()) return failure(ENOSPC, "ftruncate", path_);
  fs_.disk_.truncate(node_, size);
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> FaultyFile::size() {
  fs_.announce(DiskCall::kSize, path_);
  const std::lock_guard lock(fs_.mutex_);
  const auto verdict = fs_.judge(DiskCall::kSize, path_);
  if (verdict.error_number != 0) return failure(verdict.error_number, "fstat", path_);
  return std::uint64_t{node_->live.data.size()};
}

absl::StatusOr<bool> FaultyFile::try_lock() {
  fs_.announce(DiskCall::kLock, path_);
  const std::lock_guard lock(fs_.mutex_);
  const auto verdict = fs_.judge(DiskCall::kLock, path_);
  if (verdict.error_number != 0) return failure(verdict.error_number, "flock", path_);
  if (node_->lock_holder != nullptr && node_->lock_holder != this) return false;
  node_->lock_holder = this;
  return true;
}

}  // namespace kv
