// A disk of which one sector of one file cannot be read: EIO for every read that touches it.
// Threads: as the disk below it. Lifetime: the disk outlives it.
#pragma once

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/forwarding_file_system.h"

namespace kv {

class BadSector final : public ForwardingFileSystem {
 public:
  static constexpr std::uint64_t kSectorBytes = 512;

  BadSector(FileSystem& disk, std::string path, std::uint64_t offset)
      : ForwardingFileSystem(disk), path_(std::move(path)), offset_(offset) {}

 private:
  class BadFile final : public ForwardingFile {
   public:
    BadFile(std::unique_ptr<File> file, std::uint64_t offset) : ForwardingFile(std::move(file)), offset_(offset) {}
    absl::StatusOr<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override {
      const bool touched = offset < offset_ + kSectorBytes && offset + into.size() > offset_;
      return touched ? errno_status(EIO, "read " + path()) : ForwardingFile::read_at(into, offset);
    }

   private:
    const std::uint64_t offset_;
  };

  std::unique_ptr<File> wrapped(std::unique_ptr<File> file) override {
    if (file->path() != path_) return file;
    return std::make_unique<BadFile>(std::move(file), offset_);
  }

  const std::string path_;
  const std::uint64_t offset_;
};

}  // namespace kv
