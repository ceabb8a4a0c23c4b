// The only door to the disk.
//
// Everything that store, persistence and tools do to files goes through here, so that a test can lose what was not
// synced, tear a write or fail the n-th call. Calls are thin: one call is one system call, short writes and EINTR are
// the caller's to handle (write_all_at and read_all_at do). The one exception is the snapshot child, which after fork
// may use raw system calls only: it writes to File::descriptor().
//
// Threads:  a FileSystem from any thread. A File: reads, writes at distinct offsets and syncs from any thread at once.
// Lifetime: a File closes itself. It must not outlive its FileSystem.
// Errors:   absl::ErrnoToStatus, with the path in the message and the errno itself in errno_of().
// Units:    bytes, offsets from the start of the file. Modes: files 0600, directories 0700.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/checksum.h"

namespace kv {

// A status that carries `error_number`; `doing` says what was tried, with the path.
[[gnu::cold]] absl::Status errno_status(int error_number, std::string_view doing);
// The errno of a status made by errno_status(), or 0.
int errno_of(const absl::Status& status);
// ENOSPC or EDQUOT: space may come back.
bool is_out_of_space(const absl::Status& status);

class File {
 public:
  virtual ~File() = default;

  // Both may transfer less than asked; a read of 0 bytes is the end of the file.
  virtual absl::StatusOr<std::size_t> write_at(Bytes data, std::uint64_t offset) = 0;
  virtual absl::StatusOr<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) = 0;

  virtual absl::Status sync_data() = 0;                    // fdatasync
  virtual absl::Status sync() = 0;                         // fsync
  virtual absl::Status allocate(std::uint64_t bytes) = 0;  // fallocate from 0; size grows, new bytes are zero
  virtual absl::Status truncate(std::uint64_t size) = 0;
  virtual absl::StatusOr<std::uint64_t> size() = 0;

  // An exclusive flock that is not waited for: false when somebody else holds it.
  virtual absl::StatusOr<bool> try_lock() = 0;

  // For the snapshot child. -1 where there is none (a simulated file).
  virtual int descriptor() const noexcept = 0;
  virtual const std::string& path() const noexcept = 0;
};

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  enum class Open { kRead, kReadWrite };

  virtual absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, Open how) = 0;
  // Fails with EEXIST when there is one already.
  virtual absl::StatusOr<std::unique_ptr<File>> create(const std::string& path) = 0;
  virtual absl::Status rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status remove(const std::string& path) = 0;
  virtual absl::Status make_directory(const std::string& path) = 0;    // fails with EEXIST
  virtual absl::Status remove_directory(const std::string& path) = 0;  // must be empty
  virtual absl::Status sync_directory(const std::string& path) = 0;
  // Names without "." and "..", sorted.
  virtual absl::StatusOr<std::vector<DirectoryEntry>> list(const std::string& path) = 0;
  virtual absl::StatusOr<bool> exists(const std::string& path) = 0;
  virtual absl::StatusOr<std::uint64_t> free_bytes(const std::string& path) = 0;
};

// The file system of this machine. Stateless.
FileSystem& posix_file_system();

// All of `data`, repeating short writes and EINTR, up to the first other error.
absl::Status write_all_at(File& file, Bytes data, std::uint64_t offset);
// Exactly into.size() bytes; a file that ends before that is kOutOfRange.
absl::Status read_all_at(File& file, std::span<std::byte> into, std::uint64_t offset);
// The whole file; kResourceExhausted when it is larger than `bytes_max`.
absl::StatusOr<std::string> read_file(FileSystem& fs, const std::string& path, std::uint64_t bytes_max);
// Replaces `path` durably: temporary beside it, fsync, rename, fsync of `directory`.
absl::Status replace_file(FileSystem& fs, const std::string& directory, const std::string& name, std::string_view text);

}  // namespace kv
