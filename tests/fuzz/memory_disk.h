// A disk that holds one file, for reading: the bytes that a fuzzer made.
//
// Threads:  one. Lifetime: the bytes outlive it and what it opens.
// Errors:   ENOENT for every other name, EROFS for whatever would write.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/file_system.h"

namespace kv::fuzz {

inline absl::Status read_only() { return errno_status(EROFS, "write to a disk that is for reading"); }

class MemoryFile final : public File {
 public:
  MemoryFile(Bytes bytes, std::string path) : bytes_(bytes), path_(std::move(path)) {}

  absl::StatusOr<std::size_t> write_at(Bytes, std::uint64_t) override { return read_only(); }
  absl::StatusOr<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override {
    if (offset >= bytes_.size()) return std::size_t{0};
    const std::size_t count = std::min(into.size(), bytes_.size() - static_cast<std::size_t>(offset));
    std::memcpy(into.data(), bytes_.data() + offset, count);
    return count;
  }
  absl::Status sync_data() override { return read_only(); }
  absl::Status sync() override { return read_only(); }
  absl::Status allocate(std::uint64_t) override { return read_only(); }
  absl::Status truncate(std::uint64_t) override { return read_only(); }
  absl::StatusOr<std::uint64_t> size() override { return bytes_.size(); }
  absl::StatusOr<bool> try_lock() override { return true; }
  int descriptor() const noexcept override { return -1; }
  const std::string& path() const noexcept override { return path_; }

 private:
  const Bytes bytes_;
  const std::string path_;
};

class MemoryDisk final : public FileSystem {
 public:
  MemoryDisk(Bytes bytes, std::string path) : bytes_(bytes), path_(std::move(path)) {}

  absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, Open) override {
    if (path != path_) return errno_status(ENOENT, path);
    return std::make_unique<MemoryFile>(bytes_, path);
  }
  absl::StatusOr<std::unique_ptr<File>> create(const std::string&) override { return read_only(); }
  absl::Status rename(const std::string&, const std::string&) override { return read_only(); }
  absl::Status remove(const std::string&) override { return read_only(); }
  absl::Status make_directory(const std::string&) override { return read_only(); }
  absl::Status remove_directory(const std::string&) override { return read_only(); }
  absl::Status sync_directory(const std::string&) override { return read_only(); }
  absl::StatusOr<std::vector<DirectoryEntry>> list(const std::string&) override {
    return std::vector<DirectoryEntry>{};
  }
  absl::StatusOr<bool> exists(const std::string& path) override { return path == path_; }
  absl::StatusOr<std::uint64_t> free_bytes(const std::string&) override { return std::uint64_t{0}; }

 private:
  const Bytes bytes_;
  const std::string path_;
};

}  // namespace kv::fuzz
