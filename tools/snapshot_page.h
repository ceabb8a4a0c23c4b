// A snapshot file read by its page, docs/formats/snapshot.md, independently of the server's loader: once, from the
// header to the footer.
//
// Threads: one. Lifetime: what a visitor sees is gone when it returns.
// Errors:  damage() for anything that is not exactly right. What the visitors were given by then is void.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "core/progress.h"
#include "persistence/format/snapshot_format.h"
#include "tools/file_view.h"
#include "tools/state.h"

namespace kv::tools {

// What MANIFEST, or nobody, says about it. What is not set is not compared.
struct SnapshotClaim {
  std::optional<StoreId> store_id{};
  std::optional<std::uint64_t> number{};
  std::optional<Revision> cut{};
  std::optional<std::uint64_t> bytes{};
  std::optional<Digest128> digest{};
};

struct SnapshotFacts {
  snapshot_format::FileHeader header;
  snapshot_format::Footer footer;
};

struct SnapshotBlockFacts {
  std::uint64_t offset = 0;
  snapshot_format::BlockHeader header;
};

struct SnapshotVisitor {
  // Each may be empty. A status that is not OK ends the reading.
  std::function<void(const SnapshotBlockFacts&)> block;
  std::function<absl::Status(std::uint64_t offset, std::string_view key, const KeyState&, std::string_view value)>
      entry;
  std::function<void(std::uint64_t offset, const snapshot_format::RequestIdRecord&)> request;
};

absl::StatusOr<SnapshotFacts> read_snapshot(FileSystem& fs, const std::string& path, const SnapshotClaim& claim,
                                            const SnapshotVisitor& visitor, Progress& progress);

// What repair and dump need of a file that is damaged: the header alone, one block header, one block's entries.
absl::StatusOr<snapshot_format::FileHeader> read_snapshot_header(FileView& file, std::uint64_t& seed);
absl::StatusOr<SnapshotBlockFacts> read_block_header(FileView& file, std::uint64_t offset);
// The payload proved; a view.
absl::StatusOr<Bytes> read_block_payload(FileView& file, std::uint64_t seed, const SnapshotBlockFacts& block);
struct BlockTotals {
  std::uint64_t entries = 0, request_ids = 0, data_bytes = 0, digest = 0;
};
absl::Status read_entries(FileView& file, const SnapshotBlockFacts& block, Bytes payload, Revision cut,
                          const SnapshotVisitor& visitor, BlockTotals& totals);

}  // namespace kv::tools
