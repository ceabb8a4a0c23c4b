// The real file system with a few lies, for what a simulated one cannot show: a child needs a descriptor.
// Threads: set the lies before the calls they are about.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/file_system.h"

namespace kv {

class HookedFileSystem final : public FileSystem {
 public:
  // create() fails with this errno; 0: it works again.
  void fail_create(int error_number) { create_errno_ = error_number; }
  // create() makes its file, but the descriptor that it shows is this device's.
  void use_device(std::string path) { device_ = std::move(path); }
  // What is read from a file that create() makes is not what lies in it.
  void damage_reads() { damaged_ = true; }
  // Called with each path that create() is asked for.
  void on_create(std::function<void(const std::string&)> tell) { on_create_ = std::move(tell); }
  // Files have no descriptor, as in a simulation.
  void hide_descriptors() { hidden_ = true; }

  absl::StatusOr<std::unique_ptr<File>> create(const std::string& path) override {
    if (on_create_) on_create_(path);
    if (create_errno_ != 0) return errno_status(create_errno_, "create " + path);
    auto file = real_.create(path);
    if (!file.ok()) return file;
    std::unique_ptr<File> device;
    if (!device_.empty()) device = std::move(*real_.open(device_, Open::kReadWrite));
    return std::make_unique<HookedFile>(std::move(*file), std::move(device), hidden_, damaged_);
  }
  absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    return real_.open(path, how);
  }
  absl::Status rename(const std::string& from, const std::string& to) override { return real_.rename(from, to); }
  absl::Status remove(const std::string& path) override { return real_.remove(path); }
  absl::Status make_directory(const std::string& path) override { return real_.make_directory(path); }
  absl::Status remove_directory(const std::string& path) override { return real_.remove_directory(path); }
  absl::Status sync_directory(const std::string& path) override { return real_.sync_directory(path); }
  absl::StatusOr<std::vector<DirectoryEntry>> list(const std::string& path) override { return real_.list(path); }
  absl::StatusOr<bool> exists(const std::string& path) override { return real_.exists(path); }
  absl::StatusOr<std::uint64_t> free_bytes(const std::string& path) override { return real_.free_bytes(path); }

 private:
  class HookedFile final : public File {
   public:
    HookedFile(std::unique_ptr<File> real, std::unique_ptr<File> device, bool hidden, bool damaged)
        : real_(std::move(real)), device_(std::move(device)), hidden_(hidden), damaged_(damaged) {}
    absl::StatusOr<std::size_t> write_at(Bytes data, std::uint64_t offset) override {
      return real_->write_at(data, offset);
    }
    absl::StatusOr<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override {
      const absl::StatusOr<std::size_t> done = real_->read_at(into, offset);
      if (damaged_ && done.ok() && *done > 0) into[*done / 2] ^= std::byte{1};
      return done;
    }
    absl::Status sync_data() override { return real_->sync_data(); }
    absl::Status sync() override { return real_->sync(); }
    absl::Status allocate(std::uint64_t bytes) override { return real_->allocate(bytes); }
    absl::Status truncate(std::uint64_t size) override { return real_->truncate(size); }
    absl::StatusOr<std::uint64_t> size() override { return real_->size(); }
    absl::StatusOr<bool> try_lock() override { return real_->try_lock(); }
    int descriptor() const noexcept override {
      if (hidden_) return -1;
      return (device_ ? device_ : real_)->descriptor();
    }
    const std::string& path() const noexcept override { return real_->path(); }

   private:
    std::unique_ptr<File> real_;
    std::unique_ptr<File> device_;
    const bool hidden_;
    const bool damaged_;
  };

  FileSystem& real_ = posix_file_system();
  int create_errno_ = 0;
  std::string device_;
  bool hidden_ = false;
  bool damaged_ = false;
  std::function<void(const std::string&)> on_create_;
};

}  // namespace kv
