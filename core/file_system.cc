#include "core/file_system.h"

#include <cerrno>
#include <charconv>

#include <fmt/format.h>

#include "absl/strings/cord.h"
#include "core/absl_text.h"
#include "core/error.h"

namespace kv {
namespace {

constexpr absl::string_view kErrnoUrl = "kvstore/errno";

}  // namespace

absl::Status errno_status(int error_number, std::string_view doing) {
  absl::Status status = absl::ErrnoToStatus(error_number, to_absl(doing));
  status.SetPayload(kErrnoUrl, absl::Cord(std::to_string(error_number)));
  return status;
}

int errno_of(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrnoUrl);
  if (!payload) return 0;
  const std::string digits(*payload);
  int error_number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), error_number);
  return error_number;
}

bool is_out_of_space(const absl::Status& status) {
  const int error_number = errno_of(status);
  return error_number == ENOSPC || error_number == EDQUOT;
}

absl::Status write_all_at(File& file, Bytes data, std::uint64_t offset) {
  while (!data.empty()) {
    const absl::StatusOr<std::size_t> done = file.write_at(data, offset);
    if (!done.ok()) {
      if (errno_of(done.status()) == EINTR) continue;
      return done.status();
    }
    data = data.subspan(*done);
    offset += *done;
  }
  return absl::OkStatus();
}

absl::Status read_all_at(File& file, std::span<std::byte> into, std::uint64_t offset) {
  while (!into.empty()) {
    const absl::StatusOr<std::size_t> done = file.read_at(into, offset);
    if (!done.ok()) {
      const int error_number = errno_of(done.status());
      if (error_number == EINTR) continue;
      if (error_number == 0) return done.status();
      // Where it is that a disk cannot be read is what its owner needs to know.
      const absl::Status failed = errno_status(error_number, fmt::format("read {} at offset {}", file.path(), offset));
      return with_fact(with_fact(failed, "file", file.path()), "offset", std::to_string(offset));
    }
    if (*done == 0) return absl::OutOfRangeError(fmt::format("{} ends at offset {}", file.path(), offset));
    into = into.subspan(*done);
    offset += *done;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> read_file(FileSystem& fs, const std::string& path, std::uint64_t bytes_max) {
  auto file = fs.open(path, FileSystem::Open::kRead);
  if (!file.ok()) return file.status();
  const auto size = (*file)->size();
  if (!size.ok()) return size.status();
  if (*size > bytes_max) {
    return absl::ResourceExhaustedError(fmt::format("{} has {} bytes, at most {} expected", path, *size, bytes_max));
  }
  std::string text(*size, '\0');
  const absl::Status read = read_all_at(**file, std::as_writable_bytes(std::span(text)), 0);
  if (!read.ok()) return read;
  return text;
}

absl::Status replace_file(FileSystem& fs, const std::string& directory, const std::string& name,
                          std::string_view text) {
  const std::string temporary = fmt::format("{}/{}.tmp", directory, name);
  const auto left_over = fs.exists(temporary);
  if (!left_over.ok()) return left_over.status();
  if (*left_over) {
    if (absl::Status removed = fs.remove(temporary); !removed.ok()) return removed;
  }
  auto file = fs.create(temporary);
  if (!file.ok()) return file.status();
  if (absl::Status written = write_all_at(**file, as_bytes(text), 0); !written.ok()) return written;
  if (absl::Status synced = (*file)->sync(); !synced.ok()) return synced;
  if (absl::Status renamed = fs.rename(temporary, fmt::format("{}/{}", directory, name)); !renamed.ok()) return renamed;
  return fs.sync_directory(directory);
}

}  // namespace kv
