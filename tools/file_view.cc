#include "tools/file_view.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.h"

namespace kv::tools {

absl::Status damage(const std::string& file, std::uint64_t offset, std::string_view what) {
  return error(Reason::kChecksum, fmt::format("{} at offset {}: {}", file, offset, what),
               {{"file", file}, {"offset", std::to_string(offset)}, {"what", std::string(what)}});
}

bool all_zero(Bytes bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

absl::StatusOr<std::unique_ptr<FileView>> FileView::open(FileSystem& fs, const std::string& path,
                                                         std::uint64_t window_bytes) {
  auto file = fs.open(path, FileSystem::Open::kRead);
  if (!file.ok()) return file.status();
  const auto size = (*file)->size();
  if (!size.ok()) return size.status();
  return std::unique_ptr<FileView>(new FileView(*std::move(file), *size, window_bytes));
}

absl::StatusOr<Bytes> FileView::view(std::uint64_t offset, std::uint64_t bytes) {
  if (offset >= size_) return Bytes();
  bytes = std::min(bytes, size_ - offset);
  const bool inside = offset >= window_offset_ && offset - window_offset_ <= window_bytes_ &&
                      bytes <= window_bytes_ - (offset - window_offset_);
  if (!inside) {
    const std::uint64_t wanted = std::min(std::max(bytes, window_bytes_min_), size_ - offset);
    window_bytes_ = 0;
    window_.resize(std::max<std::size_t>(window_.size(), wanted));
    const absl::Status read = read_all_at(*file_, std::span(window_).first(wanted), offset);
    if (!read.ok()) return read;
    window_offset_ = offset;
    window_bytes_ = wanted;
  }
  return Bytes(window_).subspan(offset - window_offset_, bytes);
}

}  // namespace kv::tools
