// The real file system with a few lies, for what a simulated one cannot show: a child needs a descriptor.
// Threads: set the lies before the calls they are about.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/forwarding_file_system.h"

namespace kv {

class HookedFileSystem final : public ForwardingFileSystem {
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
    auto file = real().create(path);
    if (!file.ok()) return file;
    std::unique_ptr<File> device;
    if (!device_.empty()) device = std::move(*real().open(device_, Open::kReadWrite));
    return std::make_unique<HookedFile>(std::move(*file), std::move(device), hidden_, damaged_);
  }

 private:
  class HookedFile final : public ForwardingFile {
   public:
    HookedFile(std::unique_ptr<File> real, std::unique_ptr<File> device, bool hidden, bool damaged)
        : ForwardingFile(std::move(real)), device_(std::move(device)), hidden_(hidden), damaged_(damaged) {}
    absl::StatusOr<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override {
      const absl::StatusOr<std::size_t> done = ForwardingFile::read_at(into, offset);
      if (damaged_ && done.ok() && *done > 0) into[*done / 2] ^= std::byte{1};
      return done;
    }
    int descriptor() const noexcept override {
      if (hidden_) return -1;
      return device_ ? device_->descriptor() : ForwardingFile::descriptor();
    }

   private:
    const std::unique_ptr<File> device_;
    const bool hidden_;
    const bool damaged_;
  };

  int create_errno_ = 0;
  std::string device_;
  bool hidden_ = false;
  bool damaged_ = false;
  std::function<void(const std::string&)> on_create_;
};

}  // namespace kv
