// The files of FaultyFileSystem; see there.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "tests/support/faulty_file_system.h"

namespace kv {

class FaultyFile final : public File {
 public:
  FaultyFile(FaultyFileSystem& fs, SimulatedDisk::NodePointer node, std::string path, bool writable)
      : fs_(fs), node_(std::move(node)), path_(std::move(path)), writable_(writable) {}
  ~FaultyFile() override;

  absl::StatusOr<std::size_t> write_at(Bytes data, std::uint64_t offset) override;
  absl::StatusOr<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override;
  absl::Status sync_data() override;
  absl::Status sync() override;
  absl::Status allocate(std::uint64_t bytes) override;
  absl::Status truncate(std::uint64_t size) override;
  absl::StatusOr<std::uint64_t> size() override;
  absl::StatusOr<bool> try_lock() override;
  int descriptor() const noexcept override { return -1; }
  const std::string& path() const noexcept override { return path_; }

 private:
  FaultyFileSystem& fs_;
  const SimulatedDisk::NodePointer node_;
  const std::string path_;
  const bool writable_;
};

}  // namespace kv
