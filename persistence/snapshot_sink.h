// Where a snapshot's bytes go, one after the other: a descriptor in the forked child, a File in a simulation.
//
// Threads:  one at a time. Errors: the first failure is kept in error_number(); a caller stops there.
// Lifetime: a sink owns neither the descriptor nor the file.
#pragma once

#include <cstdint>

#include "core/checksum.h"
#include "core/file_system.h"

namespace kv {

struct SnapshotProgress {
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;
};

// No call throws. DescriptorSink's calls also neither allocate nor lock: it is the one for the child.
class SnapshotSink {
 public:
  virtual bool write(Bytes data) noexcept = 0;  // all of it, behind what was written before
  virtual bool sync_data() noexcept = 0;
  virtual bool sync() noexcept = 0;
  // Called at the start, after every sync_data() and before sync(): a sign of life.
  virtual void progressed(const SnapshotProgress&) noexcept {}

  int error_number() const noexcept { return error_number_; }

 protected:
  ~SnapshotSink() = default;
  bool fail(int error_number) noexcept {
    error_number_ = error_number;
    return false;
  }

 private:
  int error_number_ = 0;
};

// Raw system calls on a descriptor; short writes and EINTR are repeated.
class DescriptorSink : public SnapshotSink {
 public:
  explicit DescriptorSink(int descriptor) noexcept : descriptor_(descriptor) {}
  bool write(Bytes data) noexcept override;
  bool sync_data() noexcept override;
  bool sync() noexcept override;

 private:
  const int descriptor_;
};

// Through the one door to the disk.
class FileSink final : public SnapshotSink {
 public:
  explicit FileSink(File& file) noexcept : file_(file) {}
  bool write(Bytes data) noexcept override;
  bool sync_data() noexcept override;
  bool sync() noexcept override;

 private:
  bool keep(const absl::Status& status) noexcept;

  File& file_;
  std::uint64_t offset_ = 0;
};

}  // namespace kv
