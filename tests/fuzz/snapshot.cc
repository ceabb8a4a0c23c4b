// A snapshot: the server's loader and the tool's reader take the same files, and a file that is refused leaves nothing.
#include <fmt/format.h>

#include "core/absl_text.h"
#include "persistence/snapshot_loader.h"
#include "tests/fuzz/memory_disk.h"
#include "tests/fuzz/seal.h"
#include "tests/fuzz/target.h"
#include "tools/snapshot_page.h"

namespace kv::fuzz {
namespace {

const std::string kPath = "/snapshots/1.snap";

void read_both(Bytes file) {
  using namespace snapshot_format;
  FileHeaderBytes bytes{};
  if (file.size() < bytes.size()) return;
  std::copy_n(file.begin(), bytes.size(), bytes.begin());
  FileHeader header;
  std::string_view why;
  if (!snapshot_format::decode(bytes, header, why)) return;

  MemoryDisk disk(file, kPath);
  Store store({.shard_count = 1});
  const auto loaded = load_snapshot(
      disk, kPath, {.store_id = header.store_id, .number = header.number, .cut = {}, .file_bytes = {}, .digest = {}},
      store, {.threads = 1, .progress = {}});
  Progress progress(nullptr);
  std::uint64_t entries = 0;
  const tools::SnapshotVisitor visitor{
      .block = {},
      .entry =
          [&](std::uint64_t, std::string_view, const tools::KeyState&, std::string_view) {
            ++entries;
            return absl::OkStatus();
          },
      .request = {}};
  const auto read = tools::read_snapshot(disk, kPath, {}, visitor, progress);
  if (loaded.ok() != read.ok()) {
    wrong(fmt::format("server: {}; tool: {}", loaded.status().ToString(), read.status().ToString()));
  }
  if (loaded.ok()) ++taken;
  if (store.totals().keys != (loaded.ok() ? entries : 0)) {
    wrong(fmt::format("{} keys of {} entries: {}", store.totals().keys, entries, loaded.status().ToString()));
  }
}

}  // namespace

void decode(Bytes input) {
  read_both(input);
  std::vector<std::byte> sealed(input.begin(), input.end());
  seal_snapshot(sealed);
  read_both(sealed);
}

}  // namespace kv::fuzz
