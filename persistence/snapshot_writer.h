// Turns entries into a snapshot file: header, blocks, footer, through one prepared buffer.
//
// Hard part: it runs in a forked child of a threaded process, where only memory and raw system calls are safe. So no
// call here allocates, throws, locks or formats; an entry larger than the buffer has a block for itself and is written
// straight from where it lies.
//
// Threads:  one. Lifetime: buffer and sink outlive the writer.
// Errors:   false from any call is final for the file: error_number() says why, and there is no footer, so no reader
//           will take it for a snapshot.
// Source:   docs/formats/snapshot.md.
#pragma once

#include <cstdint>
#include <span>

#include "core/checksum.h"
#include "persistence/format/snapshot_format.h"
#include "persistence/snapshot_sink.h"

namespace kv {

class SnapshotWriter {
 public:
  // No smaller buffer: it holds a block header and one request id at least.
  static constexpr std::size_t kBufferBytesMin = 256;
  static constexpr std::uint64_t kSyncEveryBytes = 32 << 20;

  SnapshotWriter(SnapshotSink& sink, std::span<std::byte> buffer, std::uint64_t sync_every_bytes) noexcept;

  bool begin(const snapshot_format::FileHeader& header) noexcept;
  bool add(const snapshot_format::EntryRecord& entry) noexcept;
  bool add(const snapshot_format::RequestIdRecord& record) noexcept;
  // The last block, the footer, and all of it on the disk.
  bool finish() noexcept;

  // Complete after finish(). `state_digest` is the sum over the entries as they were added.
  const snapshot_format::Footer& totals() const noexcept { return totals_; }
  int error_number() const noexcept { return error_number_ != 0 ? error_number_ : sink_.error_number(); }

 private:
  bool add_alone(const snapshot_format::EntryRecord& entry, Bytes entry_header) noexcept;
  bool make_room(snapshot_format::BlockKind kind, std::uint64_t bytes) noexcept;
  bool flush() noexcept;
  snapshot_format::BlockHeaderBytes next_header(std::uint64_t payload_bytes) const noexcept;
  void block_is_out() noexcept;
  bool put(Bytes data) noexcept;
  void append(Bytes data) noexcept;
  void count(const snapshot_format::EntryRecord& entry) noexcept;

  SnapshotSink& sink_;
  const std::span<std::byte> buffer_;  // a place for the block header, then the payload
  const std::uint64_t sync_every_bytes_;

  snapshot_format::BlockKind kind_ = snapshot_format::BlockKind::kEntries;
  std::size_t used_ = snapshot_format::kBlockHeaderBytes;
  std::uint32_t count_ = 0;
  snapshot_format::Seed seed_{0};
  std::uint64_t offset_ = 0;
  std::uint64_t unsynced_ = 0;
  snapshot_format::Footer totals_;
  DigestStream digest_;
  int error_number_ = 0;
};

}  // namespace kv
