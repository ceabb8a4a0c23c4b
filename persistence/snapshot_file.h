// A snapshot file opened for reading: its two ends and the chain of block headers proved, its blocks read one by one.
//
// Hard part: nothing in the file is believed before a checksum vouches for it, and no length leads to an allocation
// before it is known to lie inside the file. The footer's digest covers every block header, so once open() succeeds
// the places and sizes of all blocks are right; what is left is each payload, which any thread may check.
//
// Threads:  read_block() from any thread at once, each with a buffer of its own.
// Errors:   CHECKSUM with the facts "file" and "offset" for whatever is damaged, cut short, foreign or not the file
// that
//           was expected; the errno status of the file system for what cannot be read.
// Source:   docs/formats/snapshot.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "persistence/format/snapshot_format.h"
#include "store/types.h"

namespace kv {

// What header and footer say together.
struct SnapshotInfo {
  snapshot_format::FileHeader header;
  snapshot_format::Footer footer;

  Revision cut() const noexcept { return header.cut; }
  std::uint64_t number() const noexcept { return header.number; }
};

// What MANIFEST says about the file. A field that is not set is not compared.
struct SnapshotExpected {
  StoreId store_id{};
  std::uint64_t number = 0;
  std::optional<Revision> cut;
  std::optional<std::uint64_t> file_bytes;
  std::optional<Digest128> digest;
};

struct SnapshotBlock {
  std::uint64_t offset = 0;  // of the block's header
  snapshot_format::BlockHeader header;
};

class SnapshotFile {
 public:
  static absl::StatusOr<SnapshotFile> open(FileSystem& fs, const std::string& path, const SnapshotExpected& expected);

  const SnapshotInfo& info() const noexcept { return info_; }
  const std::vector<SnapshotBlock>& blocks() const noexcept { return blocks_; }

  // The payload, proved by its checksum; a view into `buffer`, which grows as needed.
  absl::StatusOr<Bytes> read_block(const SnapshotBlock& block, std::vector<std::byte>& buffer) const;
  // A CHECKSUM error about this file.
  absl::Status damaged(std::string_view what, std::uint64_t offset) const;

 private:
  explicit SnapshotFile(std::unique_ptr<File> file, SnapshotInfo info, snapshot_format::Seed seed)
      : file_(std::move(file)), info_(info), seed_(seed) {}
  absl::Status read_chain(const snapshot_format::FileHeaderBytes& header);

  std::unique_ptr<File> file_;
  SnapshotInfo info_;
  snapshot_format::Seed seed_;
  std::vector<SnapshotBlock> blocks_;
};

// Header and footer alone: what the parent reads back before it publishes a child's file, and what a listing shows.
absl::StatusOr<SnapshotInfo> read_snapshot_info(File& file, const SnapshotExpected& expected);

}  // namespace kv
