// A disk of which one sector of one file cannot be read: EIO for every read that touches it.
// Threads: as the disk below it. Lifetime: the disk outlives it.
#pragma once

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/file_system.h"

namespace kv {

class BadSector final : public FileSystem {
 public:
  static constexpr std::uint64_t kSectorBytes = 512;

  BadSector(FileSystem& disk, std::string path, std::uint64_t offset)
      : disk_(disk), path_(std::move(path)), offset_(offset) {}

  absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    auto file = disk_.open(path, how);
    if (!file.ok() || path != path_) return file;
    return std::make_unique<BadFile>(*std::move(file), offset_);
  }
  absl::StatusOr<std::unique_ptr<File>> create(const std::string& path) override { return disk_.create(path); }
  absl::Status rename(const std::string& from, const std::string& to) override { return disk_.rename(from, to); }
  absl::Status remove(const std::string& path) override { return disk_.remove(path); }
  absl::Status make_directory(const std::string& path) override { return disk_.make_directory(path); }
  absl::Status remove_directory(const std::string& path) override { return disk_.remove_directory(path); }
  absl::Status sync_directory(const std::string& path) override { return disk_.sync_directory(path); }
  absl::StatusOr<std::vector<DirectoryEntry>> list(const std::string& path) override { return disk_.list(path); }
  absl::StatusOr<bool> exists(const std::string& path) override { return disk_.exists(path); }
  absl::StatusOr<std::uint64_t> free_bytes(const std::string& path) override { return disk_.free_bytes(path); }

 private:
  class BadFile final : public File {
   public:
    BadFile(std::unique_ptr<File> file, std::uint64_t offset) : file_(std::move(file)), offset_(offset) {}
    absl::StatusOr<std::size_t> write_at(Bytes data, std::uint64_t offset) override {
      return file_->write_at(data, offset);
    }
    absl::StatusOr<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override {
      const bool touched = offset < offset_ + kSectorBytes && offset + into.size() > offset_;
      return touched ? errno_status(EIO, "read " + path()) : file_->read_at(into, offset);
    }
    absl::Status sync_data() override { return file_->sync_data(); }
    absl::Status sync() override { return file_->sync(); }
    absl::Status allocate(std::uint64_t bytes) override { return file_->allocate(bytes); }
    absl::Status truncate(std::uint64_t size) override { return file_->truncate(size); }
    absl::StatusOr<std::uint64_t> size() override { return file_->size(); }
    absl::StatusOr<bool> try_lock() override { return file_->try_lock(); }
    int descriptor() const noexcept override { return file_->descriptor(); }
    const std::string& path() const noexcept override { return file_->path(); }

   private:
    const std::unique_ptr<File> file_;
    const std::uint64_t offset_;
  };

  FileSystem& disk_;
  const std::string path_;
  const std::uint64_t offset_;
};

}  // namespace kv
