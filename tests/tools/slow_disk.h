// The real file system, at which every read takes a while: long work, without much of it.
// Threads: as core/file_system.h.
#pragma once

#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "tests/support/forwarding_file_system.h"

namespace kv {

class SlowDisk final : public ForwardingFileSystem {
 public:
  explicit SlowDisk(std::chrono::milliseconds a_read) : a_read_(a_read) {}

 private:
  class SlowFile final : public ForwardingFile {
   public:
    SlowFile(std::unique_ptr<File> real, std::chrono::milliseconds a_read)
        : ForwardingFile(std::move(real)), a_read_(a_read) {}
    absl::StatusOr<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override {
      std::this_thread::sleep_for(a_read_);
      return ForwardingFile::read_at(into, offset);
    }

   private:
    const std::chrono::milliseconds a_read_;
  };

  std::unique_ptr<File> wrapped(std::unique_ptr<File> file) override {
    return std::make_unique<SlowFile>(std::move(file), a_read_);
  }

  const std::chrono::milliseconds a_read_;
};

}  // namespace kv
