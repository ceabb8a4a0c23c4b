// Snapshots in a directory of their own: written without a fork, changed as bytes, loaded and shown as text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/file_system.h"
#include "persistence/snapshot_loader.h"
#include "persistence/snapshot_writer.h"
#include "store/store.h"
#include "tests/support/temp_directory.h"

namespace kv {

struct SnapshotFixture {
  TempDirectory directory;
  std::string path = directory.file("0000000000000042.snap");
  snapshot_format::FileHeader header = example_header();
  SnapshotExpected expected{.store_id = header.store_id, .number = 42, .cut = {}, .file_bytes = {}, .digest = {}};
  std::size_t buffer_bytes = 4096;

  static snapshot_format::FileHeader example_header();

  // Writes `records` as the file; the totals are what a child would report.
  snapshot_format::Footer write(const std::vector<snapshot_format::EntryRecord>& records,
                                const std::vector<snapshot_format::RequestIdRecord>& request_ids = {});
  snapshot_format::Footer write(const Store& store);
  // The two keys of docs/formats/snapshot.md.
  snapshot_format::Footer write_example();

  std::string read_file() const;
  void write_file(std::string_view bytes) const;

  absl::StatusOr<SnapshotInfo> load(Store& store) const;
  // "key=value vVERSION cCREATED xEXPIRY" a line, sorted; due keys too.
  static std::string dump(const Store& store);
};

// "key := value" as a replay would do it.
void set(Store& store, std::string_view key, std::string_view value, Revision revision,
         UnixMillis expire_at = kNoExpiry, ValueType type = ValueType::kString);

}  // namespace kv
