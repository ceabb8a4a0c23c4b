// A process that may have only so many files open: what is opened beyond is refused with EMFILE.
//
// Threads: as core/file_system.h. Lifetime: it and the one below outlive the files.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/forwarding_file_system.h"

namespace kv {

class OpenFileLimit final : public ForwardingFileSystem {
 public:
  OpenFileLimit(FileSystem& real, std::size_t files_max) : ForwardingFileSystem(real), files_max_(files_max) {}

  absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    if (open_ >= files_max_) return errno_status(EMFILE, "open " + path);
    return ForwardingFileSystem::open(path, how);
  }
  absl::StatusOr<std::unique_ptr<File>> create(const std::string& path) override {
    if (open_ >= files_max_) return errno_status(EMFILE, "create " + path);
    return ForwardingFileSystem::create(path);
  }

 private:
  class Counted final : public ForwardingFile {
   public:
    Counted(std::unique_ptr<File> real, std::atomic<std::size_t>& open) : ForwardingFile(std::move(real)), open_(open) {
      ++open_;
    }
    ~Counted() override { --open_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

   private:
    std::atomic<std::size_t>& open_;
  };

  std::unique_ptr<File> wrapped(std::unique_ptr<File> file) override {
    return std::make_unique<Counted>(std::move(file), open_);
  }

  const std::size_t files_max_;
  std::atomic<std::size_t> open_{0};
};

}  // namespace kv
