// The real file system, at which every read takes a while: long work, without much of it.
// Threads: as core/file_system.h.
#pragma once

#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "core/file_system.h"

namespace kv {

class SlowDisk final : public FileSystem {
 public:
  explicit SlowDisk(std::chrono::milliseconds a_read) : a_read_(a_read) {}

  absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    return slow(real_.open(path, how));
  }
  absl::StatusOr<std::unique_ptr<File>> create(const std::string& path) override { return slow(real_.create(path)); }
  absl::Status rename(const std::string& from, const std::string& to) override { return real_.rename(from, to); }
  absl::Status remove(const std::string& path) override { return real_.remove(path); }
  absl::Status make_directory(const std::string& path) override { return real_.make_directory(path); }
  absl::Status remove_directory(const std::string& path) override { return real_.remove_directory(path); }
  absl::Status sync_directory(const std::string& path) override { return real_.sync_directory(path); }
  absl::StatusOr<std::vector<DirectoryEntry>> list(const std::string& path) override { return real_.list(path); }
  absl::StatusOr<bool> exists(const std::string& path) override { return real_.exists(path); }
  absl::StatusOr<std::uint64_t> free_bytes(const std::string& path) override { return real_.free_bytes(path); }

 private:
  class SlowFile final : public File {
   public:
    SlowFile(std::unique_ptr<File> real, std::chrono::milliseconds a_read) : real_(std::move(real)), a_read_(a_read) {}
    absl::StatusOr<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override {
      std::this_thread::sleep_for(a_read_);
      return real_->read_at(into, offset);
    }
    absl::StatusOr<std::size_t> write_at(Bytes data, std::uint64_t offset) override {
      return real_->write_at(data, offset);
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
    const std::chrono::milliseconds a_read_;
  };

  absl::StatusOr<std::unique_ptr<File>> slow(absl::StatusOr<std::unique_ptr<File>> file) const {
    if (!file.ok()) return file;
    return std::make_unique<SlowFile>(*std::move(file), a_read_);
  }

  FileSystem& real_ = posix_file_system();
  const std::chrono::milliseconds a_read_;
};

}  // namespace kv
