// What `import-original` reads: a snapshot of the Go project as encoding/gob, and a text log. Neither has a checksum.
#include <fmt/format.h>

#include "core/absl_text.h"
#include "tests/fuzz/memory_disk.h"
#include "tests/fuzz/target.h"
#include "tools/gob.h"
#include "tools/original_log.h"

namespace kv::fuzz {
namespace {

const std::string kPath = "/original";

void read_snapshot(FileSystem& disk, std::size_t size) {
  auto file = tools::FileView::open(disk, kPath);
  if (!file.ok()) wrong("open");
  std::uint64_t pairs = 0, bytes = 0;
  const auto read = tools::read_gob_map(**file, [&](std::string_view key, std::string_view value) {
    ++pairs;
    bytes += key.size() + value.size();
    return absl::OkStatus();
  });
  if (read.ok() && pairs > 0) ++taken;
  if (bytes > size) wrong(fmt::format("{} bytes of keys and values in a file of {}", bytes, size));
  if (read.ok() ? *read != pairs : !tools::is_damage(read.status())) {
    wrong(fmt::format("{} pairs were given: {}", pairs, read.status().ToString()));
  }
}

void read_log(FileSystem& disk, std::size_t size) {
  auto file = tools::FileView::open(disk, kPath);
  if (!file.ok()) wrong("open");
  tools::OriginalLog log(**file);
  std::uint64_t last_number = 0, end = 0;
  while (true) {
    const auto line = log.next();
    if (!line.ok()) wrong(line.status().ToString());
    if (!*line) return;
    const tools::OriginalLine& found = **line;
    if (found.number <= last_number) wrong("the lines do not go on");
    last_number = found.number;
    if (found.offset < end || found.offset + found.text.size() > size) wrong("a line is not where it says");
    end = found.offset + found.text.size();
    if (found.kind == tools::OriginalLine::Kind::kNone && found.doubt.empty()) wrong("no command, and no doubt");
    if (found.usable && found.doubt.empty() && !tools::not_storable(found.key, found.value).empty()) {
      wrong("certain, and cannot be stored");
    }
  }
}

}  // namespace

void decode(Bytes input) {
  MemoryDisk disk(input, kPath);
  read_snapshot(disk, input.size());
  read_log(disk, input.size());
}

}  // namespace kv::fuzz
