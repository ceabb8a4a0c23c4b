// A file system and its files, for tests that change a call or two: all others go through to the one below it.
//
// Threads: as core/file_system.h. Lifetime: the one below outlives it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/file_system.h"

namespace kv {

class ForwardingFile : public File {
 public:
  explicit ForwardingFile(std::unique_ptr<File> real) : real_(std::move(real)) {}

  absl::StatusOr<std::size_t> write_at(Bytes data, std::uint64_t offset) override {
    return real_->write_at(data, offset);
  }
  absl::StatusOr<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override {
    return real_->read_at(into, offset);
  }
  absl::Status sync_data() override { return real_->sync_data(); }
  absl::Status sync() override { return real_->sync(); }
  absl::Status allocate(std::uint64_t bytes) override { return real_->allocate(bytes); }
  absl::Status truncate(std::uint64_t size) override { return real_->truncate(size); }
  absl::StatusOr<std::uint64_t> size() override { return real_->size(); }
  absl::StatusOr<bool> try_lock() override { return real_->try_lock(); }
  int descriptor() const noexcept override { return real_->descriptor(); }
  const std::string& path() const noexcept override { return real_->path(); }

 private:
  const std::unique_ptr<File> real_;
};

class ForwardingFileSystem : public FileSystem {
 public:
  explicit ForwardingFileSystem(FileSystem& real = posix_file_system()) : real_(real) {}

  absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    return wrap(real_.open(path, how));
  }
  absl::StatusOr<std::unique_ptr<File>> create(const std::string& path) override { return wrap(real_.create(path)); }
  absl::Status rename(const std::string& from, const std::string& to) override { return real_.rename(from, to); }
  absl::Status remove(const std::string& path) override { return real_.remove(path); }
  absl::Status make_directory(const std::string& path) override { return real_.make_directory(path); }
  absl::Status remove_directory(const std::string& path) override { return real_.remove_directory(path); }
  absl::Status sync_directory(const std::string& path) override { return real_.sync_directory(path); }
  absl::StatusOr<std::vector<DirectoryEntry>> list(const std::string& path) override { return real_.list(path); }
  absl::StatusOr<bool> exists(const std::string& path) override { return real_.exists(path); }
  absl::StatusOr<std::uint64_t> free_bytes(const std::string& path) override { return real_.free_bytes(path); }

 protected:
  // What open() and create() hand out for a file that they have opened.
  virtual std::unique_ptr<File> wrapped(std::unique_ptr<File> file) { return file; }
  FileSystem& real() const noexcept { return real_; }

 private:
  absl::StatusOr<std::unique_ptr<File>> wrap(absl::StatusOr<std::unique_ptr<File>> file) {
    if (!file.ok()) return file;
    return wrapped(*std::move(file));
  }

  FileSystem& real_;
};

}  // namespace kv
