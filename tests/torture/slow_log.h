// The real file system, on which every write and sync of the log takes longer: what is queued behind them grows, and
// the last revision is ahead of what is on disk.
//
// Threads: as of the real one.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "tests/support/forwarding_file_system.h"

namespace kv {

class SlowLog final : public ForwardingFileSystem {
 public:
  // `suffix`: of the names of the files that are slow.
  SlowLog(std::string suffix, std::chrono::microseconds delay) : suffix_(std::move(suffix)), delay_(delay) {}

 private:
  class SlowFile final : public ForwardingFile {
   public:
    SlowFile(std::unique_ptr<File> real, std::chrono::microseconds delay)
        : ForwardingFile(std::move(real)), delay_(delay) {}
    absl::StatusOr<std::size_t> write_at(Bytes data, std::uint64_t offset) override {
      std::this_thread::sleep_for(delay_);
      return ForwardingFile::write_at(data, offset);
    }
    absl::Status sync_data() override {
      std::this_thread::sleep_for(delay_);
      return ForwardingFile::sync_data();
    }

   private:
    const std::chrono::microseconds delay_;
  };

  std::unique_ptr<File> wrapped(std::unique_ptr<File> file) override {
    if (delay_.count() == 0 || !file->path().ends_with(suffix_)) return file;
    return std::make_unique<SlowFile>(std::move(file), delay_);
  }

  const std::string suffix_;
  const std::chrono::microseconds delay_;
};

}  // namespace kv
