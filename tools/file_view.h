// A file read through a window: pieces on demand, never the whole of it.
//
// Threads:  one. Lifetime: what view() returns is good until the next call.
// Errors:   those of core/file_system.h. A file that is shorter than asked is no error: the view is shorter.
// Units:    bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/checksum.h"
#include "core/file_system.h"

namespace kv::tools {

// Damage: DATA_LOSS (CHECKSUM) with the facts "file" and "offset". Everything else that fails is the disk or the user.
absl::Status damage(const std::string& file, std::uint64_t offset, std::string_view what);
inline bool is_damage(const absl::Status& status) { return status.code() == absl::StatusCode::kDataLoss; }

bool all_zero(Bytes bytes) noexcept;

class FileView {
 public:
  // `window_bytes` are read at once, or more where a larger piece is asked for.
  static absl::StatusOr<std::unique_ptr<FileView>> open(FileSystem& fs, const std::string& path,
                                                        std::uint64_t window_bytes = 256 << 10);

  const std::string& path() const noexcept { return file_->path(); }
  std::uint64_t size() const noexcept { return size_; }
  // Up to `bytes` bytes from `offset`; fewer where the file ends.
  absl::StatusOr<Bytes> view(std::uint64_t offset, std::uint64_t bytes);

 private:
  FileView(std::unique_ptr<File> file, std::uint64_t size, std::uint64_t window_bytes)
      : file_(std::move(file)), size_(size), window_bytes_min_(window_bytes) {}

  const std::unique_ptr<File> file_;
  const std::uint64_t size_;
  const std::uint64_t window_bytes_min_;
  std::vector<std::byte> window_;
  std::uint64_t window_offset_ = 0;
  std::uint64_t window_bytes_ = 0;
};

}  // namespace kv::tools
